import { crc32, deflateSync } from "node:zlib";
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

function chunk(type: string, data: Uint8Array): Buffer {
  const typed = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.byteLength);
  crc.writeUInt32BE(crc32(typed));
  return Buffer.concat([length, typed, crc]);
}

/** A PNG of RGB lines as they are: each begins with the type of its filter. @param parts IDAT chunks */
function pngOf(lines: Uint8Array, width: number, height: number, { parts = 1, extra = [] as readonly Buffer[] } = {}) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8);
  const data = deflateSync(lines);
  const size = Math.ceil(data.byteLength / parts);
  const cut = Array.from({ length: parts }, (_, part) => chunk("IDAT", data.subarray(part * size, (part + 1) * size)));
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  return Buffer.concat([signature, chunk("IHDR", header), ...extra, ...cut, chunk("IEND", Buffer.alloc(0))]);
}

/** Noise in the place of filtered values: every filter makes some picture of it. */
function filtered(types: readonly number[], width: number): Uint8Array {
  const line = 1 + 3 * width;
  const lines = new Uint8Array(noise(1, line, types.length));
  types.forEach((type, y) => (lines[y * line] = type));
  return lines;
}

describe("decodeSmallPng", () => {
  it("agrees with the general decoder on every filter, in the first line too", async () => {
    for (const types of [[0, 1, 2, 3, 4, 4, 3, 2, 1, 0], [1], [2, 2], [3, 3], [4, 4]]) {
      const bytes = pngOf(filtered(types, 11), 11, types.length);
      expect(Buffer.from(decodeSmallPng(bytes)?.data ?? [])).toEqual(await byGeneralDecoder(bytes));
    }
  });

  it("reads data in several chunks, and passes over those that may be left out", async () => {
    const extra = [chunk("tEXt", Buffer.from("made by\0hand")), chunk("PLTE", Buffer.alloc(3))];
    const bytes = pngOf(filtered([4, 1, 3], 7), 7, 3, { parts: 3, extra });
    expect(Buffer.from(decodeSmallPng(bytes)?.data ?? [])).toEqual(await byGeneralDecoder(bytes));
  });

  it("leaves to it what it does not know, and data of another size than the pixels", () => {
    expect(decodeSmallPng(pngOf(filtered([5], 7), 7, 1))).toBeNull();
    expect(decodeSmallPng(pngOf(filtered([0], 7), 7, 1, { extra: [chunk("NEED", Buffer.alloc(1))] }))).toBeNull();
    expect(decodeSmallPng(pngOf(filtered([0], 7), 7, 1, { extra: [chunk("0eed", Buffer.alloc(1))] }))).toBeNull();
    expect(decodeSmallPng(pngOf(filtered([0, 0], 7), 7, 1))).toBeNull();
    expect(decodeSmallPng(pngOf(filtered([0], 7), 7, 2))).toBeNull();
  });

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
