import { crc32, inflateSync } from "node:zlib";
import type { RgbImage } from "./rgb-image.ts";

/** Up to so many pixels; beyond them the general decoder is as fast. */
const MOST_PIXELS = 128 * 128;
/** A larger file has something else in it, or claims fewer pixels than it inflates to: deflate makes a thousandfold of it at most. */
const MOST_BYTES = 64 * 1024;

/** Offsets in a PNG: IHDR is its first chunk (https://www.w3.org/TR/png-3/#11IHDR). */
const IHDR = { width: 16, height: 20, depth: 24, colour: 25, compression: 26, filter: 27, interlace: 28, end: 33 };
const SIGNATURE_BYTES = 8;
/** Length and type before a chunk's data, CRC behind. */
const CHUNK_BYTES = { before: 8, after: 4 };
/** By colour type: grey, RGB, and both with alpha. A palette is left to the general decoder. */
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 4: 2, 6: 4 };

/**
 * Decodes a small PNG of 8 bits a value, without a palette, to RGB; alpha is dropped. For a picture of 64 pixels libvips
 * takes ten times as long, to set itself up.
 * @returns null for what is no such PNG, or does not decode: the general decoder may, or says why not
 */
export function decodeSmallPng(bytes: Uint8Array): RgbImage | null {
  if (bytes[0] !== 0x89 || bytes.byteLength < IHDR.end || bytes.byteLength > MOST_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = view.getUint32(IHDR.width);
  const height = view.getUint32(IHDR.height);
  const channels = CHANNELS[bytes[IHDR.colour] ?? -1];
  const isPlain =
    bytes[IHDR.depth] === 8 &&
    [IHDR.compression, IHDR.filter, IHDR.interlace].every((offset) => bytes[offset] === 0) &&
    width > 0 &&
    height > 0 &&
    width * height <= MOST_PIXELS;
  if (!isPlain || channels === undefined) return null;
  const data = imageData(bytes, view);
  const size = height * (1 + width * channels);
  const lines = data && inflate(data, size);
  if (lines?.byteLength !== size || !unfilter(lines, { height, stride: width * channels, channels })) return null;
  return { data: rgbOf(lines, { height, width, channels }), width, height };
}

/** What all IDAT chunks hold together; null when a chunk is damaged, or one is missing, or nobody knows what it means. */
function imageData(bytes: Uint8Array, view: DataView): Uint8Array | null {
  const parts: Uint8Array[] = [];
  for (let at = SIGNATURE_BYTES; at + CHUNK_BYTES.before + CHUNK_BYTES.after <= bytes.byteLength;) {
    const begin = at + CHUNK_BYTES.before;
    const end = begin + view.getUint32(at);
    if (end + CHUNK_BYTES.after > bytes.byteLength) return null;
    if (crc32(bytes.subarray(at + 4, end)) !== view.getUint32(end)) return null;
    const type = view.getUint32(at + 4);
    if (type === IDAT) parts.push(bytes.subarray(begin, end));
    else if (type === IEND) return parts.length === 1 ? (parts[0] ?? null) : Buffer.concat(parts);
    else if (type !== IHDR_TYPE && type !== PLTE && isCritical(type)) return null;
    at = end + CHUNK_BYTES.after;
  }
  return null;
}

/** Types of chunks: four letters. A palette may accompany true colours, as a suggestion. */
const [IHDR_TYPE, PLTE, IDAT, IEND] = [0x49484452, 0x504c5445, 0x49444154, 0x49454e44];
/** All but those whose first letter is small. */
const isCritical = (type: number): boolean => type >>> 24 < 0x61;

/** @returns null for what is damaged, or more than so many bytes */
function inflate(data: Uint8Array, size: number): Uint8Array | null {
  try {
    return inflateSync(data, { maxOutputLength: size, chunkSize: Math.max(64, size) });
  } catch {
    return null;
  }
}

interface Lines {
  readonly height: number;
  /** Bytes of a line, without the type of its filter, and of a pixel. */
  readonly stride: number;
  readonly channels: number;
}

/** Undoes the filters, in place (https://www.w3.org/TR/png-3/#9Filters). @returns false when there is an unknown one */
function unfilter(lines: Uint8Array, { height, stride, channels }: Lines): boolean {
  for (let y = 0; y < height; y++) {
    const at = y * (stride + 1);
    const filter = lines[at] ?? 0;
    if (filter > 4) return false;
    if (filter === 0) continue;
    const line = lines.subarray(at + 1, at + 1 + stride);
    const above = y === 0 ? new Uint8Array(stride) : lines.subarray(at - stride, at);
    switch (filter) {
      case 1:
        for (let i = channels; i < stride; i++) line[i] = (line[i] ?? 0) + (line[i - channels] ?? 0);
        break;
      case 2:
        for (let i = 0; i < stride; i++) line[i] = (line[i] ?? 0) + (above[i] ?? 0);
        break;
      case 3:
        for (let i = 0; i < stride; i++) {
          const left = i < channels ? 0 : (line[i - channels] ?? 0);
          line[i] = (line[i] ?? 0) + ((left + (above[i] ?? 0)) >> 1);
        }
        break;
      case 4:
        for (let i = 0; i < stride; i++) {
          const isFirst = i < channels;
          const left = isFirst ? 0 : (line[i - channels] ?? 0);
          const corner = isFirst ? 0 : (above[i - channels] ?? 0);
          line[i] = (line[i] ?? 0) + paeth(left, above[i] ?? 0, corner);
        }
        break;
    }
  }
  return true;
}

/** The neighbour that is closest to left + above - corner. */
function paeth(left: number, above: number, corner: number): number {
  const fromLeft = Math.abs(above - corner);
  const fromAbove = Math.abs(left - corner);
  const fromCorner = Math.abs(left + above - 2 * corner);
  if (fromLeft <= fromAbove && fromLeft <= fromCorner) return left;
  return fromAbove <= fromCorner ? above : corner;
}

/** @param channels grey, grey and alpha, RGB, or RGB and alpha */
function rgbOf(
  lines: Uint8Array,
  { height, width, channels }: { readonly height: number; readonly width: number; readonly channels: number },
): Uint8Array {
  const rgb = new Uint8Array(3 * height * width);
  const stride = 3 * width;
  if (channels === 3) {
    for (let y = 0, from = 1; y < height; y++, from += stride + 1)
      rgb.set(lines.subarray(from, from + stride), y * stride);
    return rgb;
  }
  const green = channels < 3 ? 0 : 1;
  for (let y = 0, from = 1, to = 0; y < height; y++, from++) {
    for (let x = 0; x < width; x++, from += channels, to += 3) {
      rgb[to] = lines[from] ?? 0;
      rgb[to + 1] = lines[from + green] ?? 0;
      rgb[to + 2] = lines[from + 2 * green] ?? 0;
    }
  }
  return rgb;
}
