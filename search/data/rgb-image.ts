/** A picture in memory: `data` holds height * width * 3 bytes, row by row, red, green, blue interleaved. */
export interface RgbImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Height and width in pixels. */
export type Size = Pick<RgbImage, "height" | "width">;

/** A part of a picture, in pixels: rows `top` to `top + height`, columns `left` to `left + width`. */
export interface Rect {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** 100 megapixels are 300 MB in memory: more than any camera's pictures, and less than a decompression bomb wants. */
export const MAX_PIXELS = 100_000_000;
