import sharp, { type Sharp } from "sharp";
import { decodeSmallPng } from "./decode-small-png.ts";
import { needsMetadata } from "./needs-metadata.ts";
import { MAX_PIXELS, type RgbImage } from "./rgb-image.ts";

// Several pictures at a time are the parallelism, not several threads for one; and no picture comes twice.
sharp.cache(false);
sharp.concurrency(1);

/** The formats that are read, by their first bytes. Nothing else reaches the decoder (which also knows SVG and PDF). */
const SIGNATURES: readonly { readonly at: number; readonly bytes: string }[] = [
  { at: 0, bytes: "\xff\xd8\xff" }, // JPEG
  { at: 0, bytes: "\x89PNG\r\n\x1a\n" },
  { at: 8, bytes: "WEBP" },
  { at: 0, bytes: "GIF8" },
  { at: 0, bytes: "II*\0" }, // TIFF, little endian
  { at: 0, bytes: "MM\0*" }, // TIFF, big endian
];

/**
 * Decodes a picture to 8-bit RGB as Pillow's `Image.open(…).convert("RGB")` does, which model repositories take for
 * granted: orientation tags and colour profiles are ignored, alpha is dropped (not blended), palettes are looked up, an
 * animation gives its first frame.
 * @throws Error with a short reason when the bytes are no picture, damaged, or too large
 */
export async function decodeImage(bytes: Uint8Array): Promise<RgbImage> {
  if (bytes.byteLength === 0) throw new Error("the file is empty");
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(16, bytes.byteLength)).toString("latin1");
  if (!SIGNATURES.some(({ at, bytes: signature }) => head.startsWith(signature, at))) {
    throw new Error("not a JPEG, PNG, WebP, GIF or TIFF picture");
  }
  const small = decodeSmallPng(bytes);
  if (small) return small;
  try {
    const picture = sharp(bytes, { limitInputPixels: MAX_PIXELS, failOn: "error", ignoreIcc: true });
    if (needsMetadata(bytes)) {
      const { space, hasAlpha, depth } = await picture.metadata();
      if (space === "cmyk") return await decodeCmyk(picture);
      if (space === "grey16" && depth === "ushort" && !hasAlpha) return await decodeGrey16(picture);
    }
    const { data, info } = await picture
      .removeAlpha()
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height };
  } catch (cause) {
    throw new Error(describe(cause), { cause });
  }
}

/** Pillow multiplies the inks (no colour management): level = (255 - ink) * (255 - black) / 255. */
async function decodeCmyk(picture: Sharp): Promise<RgbImage> {
  const { data: inks, info } = await picture
    .pipelineColourspace("cmyk") // otherwise the inks go through a profile and back
    .toColourspace("cmyk")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  const data = new Uint8Array(info.width * info.height * 3);
  for (let o = 0, i = 0; o < data.length; i += info.channels) {
    const light = 255 - (inks[i + 3] ?? 0);
    for (let channel = 0; channel < 3; channel++) {
      const product = (inks[i + channel] ?? 0) * light + 128;
      data[o++] = light - (((product >> 8) + product) >> 8);
    }
  }
  return { data, width: info.width, height: info.height };
}

/** Pillow clips 16-bit grey at 255 instead of scaling it. */
async function decodeGrey16(picture: Sharp): Promise<RgbImage> {
  const { data: raw, info } = await picture
    .toColourspace("grey16")
    .raw({ depth: "ushort" })
    .toBuffer({ resolveWithObject: true });
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const data = new Uint8Array(info.width * info.height * 3);
  for (let i = 0; i < data.length; i += 3) {
    const level = Math.min(255, view.getUint16((i / 3) * 2, LITTLE_ENDIAN));
    data.fill(level, i, i + 3);
  }
  return { data, width: info.width, height: info.height };
}

/** Raw output comes in the machine's byte order. */
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The decoder repeats itself over several lines; the first says it all. */
function describe(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (message.includes("exceeds pixel limit")) return `larger than ${MAX_PIXELS / 1e6} megapixels`;
  const first = message.split("\n", 1)[0] ?? message;
  return `damaged picture (${first.replace("Input buffer has corrupt header: ", "").slice(0, 200)})`;
}
