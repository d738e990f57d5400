import type { Resample } from "../../crawler/preprocessing/preprocessing.ts";

/** Weights are fixed point with so many fractional bits: 32 bits less 8 of the pixel and 2 for overshoot (Pillow). */
export const PRECISION_BITS = 22;

/** How a stretch of one axis is resampled: its output i is the sum of `counts[i]` inputs from `starts[i]`. */
export interface ResampleWeights {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** `taps` weights for each output, of which the first `counts[i]` count. */
  readonly weights: Int32Array;
  readonly taps: number;
}

interface Filter {
  /** Half of the width in which the filter is not zero, in input pixels when enlarging. */
  readonly support: number;
  readonly weight: (x: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

/** Parameter of the cubic; -0.5 is Catmull-Rom. */
const CUBIC_A = -0.5;

function cubic(distance: number): number {
  const x = Math.abs(distance);
  if (x < 1) return ((CUBIC_A + 2) * x - (CUBIC_A + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * CUBIC_A;
  return 0;
}

const FILTERS: Record<Exclude<Resample, "nearest">, Filter> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    weight: (x) => (Math.abs(x) < 1 ? sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x)) : 0),
  },
  bicubic: { support: 2, weight: cubic },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** An axis of `from` pixels becomes `to` pixels, of which those from `begin` up to `end` are wanted. */
export interface AxisResize {
  readonly from: number;
  readonly to: number;
  readonly begin: number;
  readonly end: number;
}

/**
 * The weights for the wanted stretch of an axis, as Pillow computes them (Resample.c): the filter is widened by the
 * factor of shrinking, cut at the edges and normalised to 1.
 */
export function buildResampleWeights(
  { from, to, begin, end }: AxisResize,
  resample: Exclude<Resample, "nearest">,
): ResampleWeights {
  const { support: unscaled, weight } = FILTERS[resample];
  const scale = from / to;
  const filterScale = Math.max(scale, 1);
  const support = unscaled * filterScale;
  const taps = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(end - begin);
  const counts = new Int32Array(end - begin);
  const weights = new Int32Array((end - begin) * taps);
  const exact = new Float64Array(taps);
  for (let i = 0; i < end - begin; i++) {
    const centre = (begin + i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(from, Math.trunc(centre + support + 0.5)) - start;
    let sum = 0;
    for (let k = 0; k < count; k++) {
      exact[k] = weight((k + start - centre + 0.5) * (1 / filterScale));
      sum += exact[k] ?? 0;
    }
    for (let k = 0; k < count; k++) {
      const share = ((exact[k] ?? 0) / (sum || 1)) * 2 ** PRECISION_BITS;
      weights[i * taps + k] = Math.trunc(share < 0 ? share - 0.5 : share + 0.5);
    }
    starts[i] = start;
    counts[i] = count;
  }
  return { starts, counts, weights, taps };
}
