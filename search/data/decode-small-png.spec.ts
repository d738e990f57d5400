import sharp, { type PngOptions } from "sharp";
import { describe, expect, it } from "vitest";
import { decodeSmallPng } from "./decode-small-png.ts";

const noise = (channels: number, width: number, height: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: channels * width * height }, (_, i) => (i * 7919 + (i >> 3)) % 256));

function encode(channels: 1 | 2 | 3 | 4, width: number, height: number, options: PngOptions = {}) {
  const picture = sharp(noise(channels, width, height), { raw: { channels, width, height } });
  return (channels < 3 ? picture.toColourspace("b-w") : picture).png(options).toBuffer();
}

const byGeneralDecoder = (bytes: Buffer): Promise<Buffer> =>
  sharp(bytes).removeAlpha().toColourspace("srgb").raw({ depth: "uchar" }).toBuffer();

describe("decodeSmallPng", () => {
  it.each([1, 2, 3, 4] as const)("agrees with the general decoder on %i channels", async (channels) => {
    for (const adaptiveFiltering of [false, true]) {
      const bytes = await encode(channels, 37, 23, { adaptiveFiltering });
      const picture = decodeSmallPng(bytes);
      expect(picture).toMatchObject({ width: 37, height: 23 });
      expect(Buffer.from(picture?.data ?? [])).toEqual(await byGeneralDecoder(bytes));
    }
  });

  it("leaves others to the general decoder", async () => {
    expect(decodeSmallPng(await encode(3, 129, 128))).toBeNull();
    expect(decodeSmallPng(await encode(3, 20, 20, { palette: true }))).toBeNull();
    expect(decodeSmallPng(await encode(3, 20, 20, { progressive: true }))).toBeNull();
    expect(
      decodeSmallPng(
        await sharp(await encode(3, 20, 20))
          .toColourspace("rgb16")
          .png()
          .toBuffer(),
      ),
    ).toBeNull();
    expect(
      decodeSmallPng(
        await sharp(await encode(3, 20, 20))
          .jpeg()
          .toBuffer(),
      ),
    ).toBeNull();
  });

  it("leaves damaged ones to it, which says what is wrong", async () => {
    const bytes = await encode(3, 20, 20);
    expect(decodeSmallPng(bytes.subarray(0, bytes.length - 30))).toBeNull();
    expect(decodeSmallPng(bytes.subarray(0, 20))).toBeNull();
    // every byte behind the signature that is not read before
    for (let at = 25; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      expect(decodeSmallPng(damaged)).toBeNull();
    }
  });

  it("leaves files to it that are larger than their pixels can be", async () => {
    const bytes = await encode(3, 20, 20);
    expect(decodeSmallPng(Buffer.concat([bytes, Buffer.alloc(64 * 1024)]))).toBeNull();
  });
});
