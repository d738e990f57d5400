import type { Resample } from "../../crawler/preprocessing/preprocessing.ts";
import { buildResampleWeights, PRECISION_BITS, type AxisResize, type ResampleWeights } from "./resample-weights.ts";
import { MAX_PIXELS, type Rect, type RgbImage, type Size } from "./rgb-image.ts";

/*
 * Resizing as Pillow does it, bit for bit: model repositories state their preprocessing in Pillow's terms, and other
 * libraries' filters of the same names differ from it by tens of levels at edges.
 */

/**
 * Resizes a picture to `size` and returns the part of the result that `window` names (all of it by default); nothing
 * outside the window is computed. Shrinking averages over all the pixels that are merged, except with `nearest`.
 * @throws Error when the part is larger than any picture may be (a very long and thin one, enlarged)
 */
export function resize(
  image: RgbImage,
  size: Size,
  resample: Resample,
  window: Rect = { top: 0, left: 0, ...size },
): RgbImage {
  if (window.height * window.width > MAX_PIXELS) {
    throw new Error(`${image.width}x${image.height} pixels would become ${window.width}x${window.height}`);
  }
  const x: AxisResize = { from: image.width, to: size.width, begin: window.left, end: window.left + window.width };
  const y: AxisResize = { from: image.height, to: size.height, begin: window.top, end: window.top + window.height };
  if (resample === "nearest") return resizeNearest(image, x, y);
  const columns = x.from === x.to ? undefined : weightsFor(x, resample);
  const rows = y.from === y.to ? undefined : weightsFor(y, resample);
  // The part of the picture that the window depends on, in the picture's own pixels.
  const [top, bottom] = rows ? sourceSpan(rows) : [y.begin, y.end];
  const [left, right] = columns ? sourceSpan(columns) : [x.begin, x.end];
  if (columns && rows && shrinksHeightFirst(image, size)) {
    return resampleColumns(resampleRows(image, rows, { from: 0, left, right }), columns, {
      from: left,
      top: 0,
      bottom: window.height,
    });
  }
  const narrow = columns
    ? resampleColumns(image, columns, { from: 0, top, bottom })
    : cut(image, { top, left, height: bottom - top, width: right - left });
  return rows ? resampleRows(narrow, rows, { from: top, left: 0, right: narrow.width }) : narrow;
}

/**
 * Pillow 13 does the vertical pass first where it takes away more than twice as many lines as the other; before, the
 * horizontal one always came first. The order is worth a level or two, by the rounding between the passes.
 */
const shrinksHeightFirst = (from: Size, to: Size): boolean =>
  to.height < from.height && from.height - to.height > 2 * (from.width - to.width);

const sourceSpan = ({ starts, counts }: ResampleWeights): [begin: number, end: number] => [
  starts[0] ?? 0,
  (starts.at(-1) ?? 0) + (counts.at(-1) ?? 0),
];

/** Axes seen lately: a data set's pictures have few sizes, and the weights of one are some 10 KB. */
const WEIGHTS_KEPT = 64;
const weightsCache = new Map<string, ResampleWeights>();

function weightsFor(axis: AxisResize, resample: Exclude<Resample, "nearest">): ResampleWeights {
  const key = `${axis.from} ${axis.to} ${axis.begin} ${axis.end} ${resample}`;
  const known = weightsCache.get(key);
  if (known) return known;
  const weights = buildResampleWeights(axis, resample);
  const oldest = weightsCache.size >= WEIGHTS_KEPT ? weightsCache.keys().next().value : undefined;
  if (oldest !== undefined) weightsCache.delete(oldest);
  weightsCache.set(key, weights);
  return weights;
}

/** Half of the last kept bit, so that the shift rounds to nearest. */
const HALF = 1 << (PRECISION_BITS - 1);

const clip = (level: number): number => (level < 0 ? 0 : level > 255 ? 255 : level);

/** Horizontal pass over the rows from `top` up to `bottom`; column 0 of `image` is column `from` of the weights. */
function resampleColumns(
  image: RgbImage,
  columns: ResampleWeights,
  { from, top, bottom }: { readonly from: number; readonly top: number; readonly bottom: number },
): RgbImage {
  const { data } = image;
  const { starts, counts, weights, taps } = columns;
  const width = starts.length;
  const out = new Uint8Array((bottom - top) * width * 3);
  let o = 0;
  for (let y = top; y < bottom; y++) {
    const row = (y * image.width - from) * 3;
    for (let x = 0; x < width; x++) {
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      let i = row + (starts[x] ?? 0) * 3;
      const end = x * taps + (counts[x] ?? 0);
      for (let k = x * taps; k < end; k++, i += 3) {
        const weight = weights[k] ?? 0;
        red += Math.imul(data[i] ?? 0, weight);
        green += Math.imul(data[i + 1] ?? 0, weight);
        blue += Math.imul(data[i + 2] ?? 0, weight);
      }
      out[o++] = clip(red >> PRECISION_BITS);
      out[o++] = clip(green >> PRECISION_BITS);
      out[o++] = clip(blue >> PRECISION_BITS);
    }
  }
  return { data: out, width, height: bottom - top };
}

/** Vertical pass over the columns from `left` up to `right`; row 0 of `image` is row `from` of the weights. */
function resampleRows(
  image: RgbImage,
  rows: ResampleWeights,
  { from, left, right }: { readonly from: number; readonly left: number; readonly right: number },
): RgbImage {
  const { data } = image;
  const { starts, counts, weights, taps } = rows;
  const height = starts.length;
  const length = (right - left) * 3;
  const out = new Uint8Array(height * length);
  const sums = new Int32Array(length);
  let o = 0;
  for (let y = 0; y < height; y++) {
    sums.fill(HALF);
    const end = y * taps + (counts[y] ?? 0);
    let row = (((starts[y] ?? 0) - from) * image.width + left) * 3;
    for (let k = y * taps; k < end; k++, row += image.width * 3) {
      const weight = weights[k] ?? 0;
      for (let x = 0; x < length; x++) sums[x] = (sums[x] ?? 0) + Math.imul(data[row + x] ?? 0, weight);
    }
    for (let x = 0; x < length; x++) out[o++] = clip((sums[x] ?? 0) >> PRECISION_BITS);
  }
  return { data: out, width: right - left, height };
}

function resizeNearest(image: RgbImage, x: AxisResize, y: AxisResize): RgbImage {
  const columns = nearestSources(x);
  const out = new Uint8Array((y.end - y.begin) * columns.length * 3);
  let o = 0;
  for (const source of nearestSources(y)) {
    for (const column of columns) {
      const i = (source * image.width + column) * 3;
      out[o++] = image.data[i] ?? 0;
      out[o++] = image.data[i + 1] ?? 0;
      out[o++] = image.data[i + 2] ?? 0;
    }
  }
  return { data: out, width: columns.length, height: y.end - y.begin };
}

/** Which input pixel each wanted output pixel copies. The position is summed up, not multiplied, as Pillow does. */
function nearestSources({ from, to, begin, end }: AxisResize): Int32Array {
  const sources = new Int32Array(end - begin);
  const scale = from / to;
  let position = scale * 0.5;
  for (let i = 0; i < end; i++, position += scale) {
    if (i >= begin) sources[i - begin] = Math.min(from - 1, Math.trunc(position));
  }
  return sources;
}

/** A part of a picture, as a copy (the picture itself where the part is all of it). */
export function cut(image: RgbImage, { top, left, height, width }: Rect): RgbImage {
  if (top === 0 && left === 0 && height === image.height && width === image.width) return image;
  const data = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * 3;
    data.set(image.data.subarray(from, from + width * 3), y * width * 3);
  }
  return { data, width, height };
}
