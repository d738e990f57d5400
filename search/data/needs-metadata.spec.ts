import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { needsMetadata } from "./needs-metadata.ts";

const grey = () => sharp({ create: { width: 4, height: 4, channels: 3, background: "grey" } });

describe("needsMetadata", () => {
  it.each([
    ["an RGB PNG", () => grey().png(), false],
    ["an RGB JPEG", () => grey().jpeg(), false],
    [
      "a progressive JPEG with a comment before its frame",
      () => grey().withMetadata().jpeg({ progressive: true }),
      false,
    ],
    ["a grey JPEG", () => grey().toColourspace("b-w").jpeg(), false],
    ["a PNG of 16 bits", () => grey().toColourspace("rgb16").png(), true],
    ["a JPEG of four inks", () => grey().toColourspace("cmyk").jpeg(), true],
    ["a WebP", () => grey().webp(), true],
  ] as const)("of %s", async (_name, make, expected) => {
    expect(needsMetadata(await make().toBuffer())).toBe(expected);
  });

  it("is in doubt about what ends too early", async () => {
    const jpeg = await grey().jpeg().toBuffer();
    expect(needsMetadata(jpeg.subarray(0, 30))).toBe(true);
  });
});
