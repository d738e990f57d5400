import { decode } from "fast-png";
import type { RgbImage } from "./rgb-image.ts";

/** Up to so many pixels; beyond them the general decoder is as fast. */
const MOST_PIXELS = 128 * 128;
/** A larger file has something else in it, or claims fewer pixels than it inflates to: deflate makes a thousandfold of it at most. */
const MOST_BYTES = 64 * 1024;

/** Offsets in a PNG: IHDR is its first chunk (https://www.w3.org/TR/png-3/#11IHDR). */
const IHDR = { width: 16, height: 20, depth: 24, colour: 25, interlace: 28, end: 33 };
const PALETTE = 3;

/**
 * Decodes a small PNG of 8 bits a value, without a palette, to RGB; alpha is dropped. For a picture of 64 pixels libvips
 * takes three times as long, to set itself up.
 * @returns null for what is no such PNG, or does not decode: the general decoder may, or says why not
 */
export function decodeSmallPng(bytes: Uint8Array): RgbImage | null {
  if (bytes[0] !== 0x89 || bytes.byteLength < IHDR.end || bytes.byteLength > MOST_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = view.getUint32(IHDR.width);
  const height = view.getUint32(IHDR.height);
  const isPlain = bytes[IHDR.depth] === 8 && bytes[IHDR.colour] !== PALETTE && bytes[IHDR.interlace] === 0;
  if (!isPlain || width * height > MOST_PIXELS) return null;
  try {
    const { data, channels } = decode(bytes, { checkCrc: true });
    return { data: rgbOf(data, channels, width * height), width, height };
  } catch {
    return null;
  }
}

/** @param channels grey, grey and alpha, RGB, or RGB and alpha */
function rgbOf(values: ArrayLike<number>, channels: number, pixels: number): Uint8Array {
  if (values.length !== pixels * channels) throw new RangeError(`${values.length} values of ${pixels} pixels`);
  const rgb = new Uint8Array(3 * pixels);
  const green = channels < 3 ? 0 : 1;
  for (let from = 0, to = 0; to < rgb.length; from += channels, to += 3) {
    rgb[to] = values[from] ?? 0;
    rgb[to + 1] = values[from + green] ?? 0;
    rgb[to + 2] = values[from + 2 * green] ?? 0;
  }
  return rgb;
}
