import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { decodeImage } from "./decode-image.ts";

// Pictures of 3x2 pixels, and what Pillow 13 makes of them: Image.open(...).convert("RGB").
// prettier-ignore
const pictures: readonly (readonly [kind: string, base64: string, rgb: readonly number[]])[] = [
  [
    "RGB PNG",
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAHElEQVR4nGPkEmGIYrCJYrBhYZhmw8Bgw8BgAwAaBAKaU8PZMwAAAABJRU5ErkJggg==",
    [10, 20, 0, 100, 20, 60, 190, 20, 120, 10, 170, 60, 100, 170, 120, 190, 170, 180],
  ],
  [
    "WebP with alpha",
    "UklGRj4AAABXRUJQVlA4TDIAAAAvAkAAEC8gEEiCmH12IQEhm2ignQKBZLDwBxMIJMGONWxkJGnw+0EgQBkrDjglov+xvA==",
    [10, 20, 0, 100, 20, 60, 190, 20, 120, 10, 170, 60, 100, 170, 120, 190, 170, 180],
  ],
  [
    "PNG with alpha",
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAYAAACddGYaAAAAHUlEQVR4nGPkEmFgiGKwSYlisElhYZhmw8DAAMEAL8ADYs5foSoAAAAASUVORK5CYII=",
    [10, 20, 0, 100, 20, 60, 190, 20, 120, 10, 170, 60, 100, 170, 120, 190, 170, 180],
  ],
  [
    "palette with a transparent colour",
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACBAMAAABvWnspAAAAElBMVEW+qrRkqngKqjy+FHhkFDwKFAD88bKMAAAABnRSTlMAgP8KAwAn/2fnAAAADklEQVR4nGMMucOgyAAABWIBU7z9z9YAAAAASUVORK5CYII=",
    [10, 20, 0, 100, 20, 60, 190, 20, 120, 10, 170, 60, 100, 170, 120, 190, 170, 180],
  ],
  [
    "grey",
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAAAAAC4HznGAAAAEElEQVR4nGPkV1RiiVdUAgADegD6O6JPbwAAAABJRU5ErkJggg==",
    [15, 15, 15, 48, 48, 48, 82, 82, 82, 110, 110, 110, 143, 143, 143, 177, 177, 177],
  ],
  [
    "grey with alpha",
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAQAAAA3fa6RAAAAFklEQVR4nGPkZ1BMUUphiWdQZFBiAAANogHCPTtoEQAAAABJRU5ErkJggg==",
    [15, 15, 15, 48, 48, 48, 82, 82, 82, 110, 110, 110, 143, 143, 143, 177, 177, 177],
  ],
  [
    "one bit",
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACAQAAAAC1D1u3AAAADElEQVR4nGNgYEgAAABkAGEPIOXWAAAAAElFTkSuQmCC",
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255],
  ],
  [
    "16-bit grey, clipped",
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACEAAAAADoj+WFAAAAFklEQVR4nGNgYGCoYPjAwBDFcInRCwAQwgLgj5qWXAAAAABJRU5ErkJggg==",
    [0, 0, 0, 120, 120, 120, 240, 240, 240, 90, 90, 90, 210, 210, 210, 255, 255, 255],
  ],
  [
    "CMYK TIFF",
    "SUkqAAgAAAAKAAABBAABAAAAAwAAAAEBBAABAAAAAgAAAAIBAwAEAAAAhgAAAAMBAwABAAAAAQAAAAYBAwABAAAABQAAABEBBAABAAAAjgAAABUBAwABAAAABAAAABYBBAABAAAAAgAAABcBBAABAAAAGAAAABwBAwABAAAAAQAAAAAAAAAIAAgACAAIAPXr/wCb68MAQeuHAPVVwwCbVYcAQVVLAA==",
    [10, 20, 0, 100, 20, 60, 190, 20, 120, 10, 170, 60, 100, 170, 120, 190, 170, 180],
  ],
  [
    "GIF with two frames",
    "R0lGODdhAwACAIIAAL6qtGSqeAqqPL4UeGQUPAoUAAAAAAAAACwAAAAAAwACAAAICQALEBggIACAgAAh+QQBAAAGACwAAAAAAwACAIK+qrRkqngKqjy+FHhkFDwKFAAAAAAAAAAICQABBBAwgECBgAA7",
    [10, 20, 0, 100, 20, 60, 190, 20, 120, 10, 170, 60, 100, 170, 120, 190, 170, 180],
  ],
  [
    "turned by EXIF, which is ignored",
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAGmVYSWZNTQAqAAAACAABARIAAwAAAAEABgAAAAAAANZnS2kAAAAcSURBVHicY+QSYYhisIlisGFhmGbDwGDDwGADABoEAppTw9kzAAAAAElFTkSuQmCC",
    [10, 20, 0, 100, 20, 60, 190, 20, 120, 10, 170, 60, 100, 170, 120, 190, 170, 180],
  ],
  [
    "with a colour profile, which is ignored",
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAABdWlDQ1BJQ0MgUHJvZmlsZQAAeJx1kbtLQmEYxn9qZaThUIFEg4NFg0IURGPZ4CIhZpDVosdb4OVwjhLSGrQ0CA1RS7eh/6DWoLUgCIogormx2xJyeo8KSuh3+M774/m+5+U9zwFrKKfk9Z55yBdKWiQY8KzG1jz2dxyM0IebvriiqwvhcIiu6+cRi1kf/Gav7vc6LkcypStg6ReeVVStJCzTENoqqSbvCQ8r2XhS+ETYl5EBhW9NPdHgN5O1Bn/VORpZBKvZ05Np40QbK1ktLzwp7M3nykpzHvNLnKnCyrLUUdlj6EQIEsBDgjKb5Cjhl1qQzDr7puq+JYriUeStUkETR4aseH2ilqVrSmpa9JQ8OSpm7v/z1NMz043uzgD0vhrG5zjY96FWNYzfU8OonYHtBa4LLX9Rcpr7Fr3a0rzH4NqBy5uWljiAq11wP6txLV6XbLKt6TR8XMBgDIbuYWC9kVXznPMniG7LL7qDwyOYkPuujT/MxWfyZrIEYwAAABxJREFUeJxj5BJhiGKwiWKwYWGYZsPAYMPAYAMAGgQCmlPD2TMAAAAASUVORK5CYII=",
    [10, 20, 0, 100, 20, 60, 190, 20, 120, 10, 170, 60, 100, 170, 120, 190, 170, 180],
  ],
];

describe("decodeImage", () => {
  for (const [kind, base64, rgb] of pictures) {
    it(kind, async () => {
      const image = await decodeImage(Buffer.from(base64, "base64"));
      expect(image).toMatchObject({ width: 3, height: 2 });
      expect([...image.data]).toEqual(rgb);
    });
  }

  it("says why a file is no picture", async () => {
    const png = await sharp({ create: { width: 40, height: 40, channels: 3, background: "#123456" } })
      .png()
      .toBuffer();
    const reasons: [bytes: Uint8Array, reason: RegExp][] = [
      [new Uint8Array(0), /^the file is empty$/],
      [Buffer.from("GIF? no"), /^not a JPEG, PNG, WebP, GIF or TIFF picture$/],
      [Buffer.from("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"), /^not a JPEG/],
      [png.subarray(0, png.length / 2), /^damaged picture \(/],
    ];
    for (const [bytes, reason] of reasons) await expect(decodeImage(bytes)).rejects.toThrow(reason);
  });

  it("refuses a decompression bomb by its header", async () => {
    const png = await sharp({ create: { width: 8, height: 8, channels: 3, background: "black" } })
      .png()
      .toBuffer();
    const bomb = Buffer.from(png);
    bomb.writeUInt32BE(60_000, 16); // width in IHDR
    bomb.writeUInt32BE(60_000, 20);
    bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29);
    await expect(decodeImage(bomb)).rejects.toThrow("larger than 100 megapixels");
  });
});

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
