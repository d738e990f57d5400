import type { Matrix } from "./matrix-engine.ts";

/** Per feature: x becomes (x - mean) / scale. Float64, length d. */
export interface Standardizer {
  readonly mean: Float64Array;
  readonly scale: Float64Array;
}

/**
 * Mean and population standard deviation of every column of `features` [n, d], in float64. A column that is constant up
 * to rounding gets scale 1; the bound is scikit-learn's (`_is_constant_feature` in preprocessing/_data.py).
 */
export function fitStandardizer({ data, rows, cols }: Matrix): Standardizer {
  const sum = new Float64Array(cols);
  const squares = new Float64Array(cols);
  addMoments(data, rows, sum, squares);
  return meansAndDeviations(data, rows, sum, squares);
}

/** One pass: sums are taken relative to the first item, so that a large mean does not cancel a small variance. */
function addMoments(data: Float32Array, rows: number, sum: Float64Array, squares: Float64Array): void {
  const cols = sum.length;
  for (let i = 1; i < rows; i++) {
    const at = i * cols;
    for (let j = 0; j < cols; j++) {
      const shifted = (data[at + j] ?? 0) - (data[j] ?? 0);
      sum[j] = (sum[j] ?? 0) + shifted;
      squares[j] = (squares[j] ?? 0) + shifted * shifted;
    }
  }
}

/** @param sum becomes the mean @param squares becomes the scale */
function meansAndDeviations(data: Float32Array, rows: number, sum: Float64Array, squares: Float64Array): Standardizer {
  for (let j = 0; j < sum.length; j++) {
    const offset = (sum[j] ?? 0) / rows;
    const variance = Math.max(0, (squares[j] ?? 0) / rows - offset * offset);
    const centre = (data[j] ?? 0) + offset;
    const bound = rows * Number.EPSILON * variance + (rows * centre * Number.EPSILON) ** 2;
    sum[j] = centre;
    squares[j] = variance <= bound ? 1 : Math.sqrt(variance);
  }
  return { mean: sum, scale: squares };
}

/** Standardised copy, item per row: [n, d]. */
export function standardize({ data, rows, cols }: Matrix, { mean, scale }: Standardizer): Matrix {
  const out = new Float32Array(rows * cols);
  const inverse = scale.map((value) => 1 / value);
  for (let i = 0; i < rows; i++) {
    const at = i * cols;
    for (let j = 0; j < cols; j++) out[at + j] = ((data[at + j] ?? 0) - (mean[j] ?? 0)) * (inverse[j] ?? 0);
  }
  return { data: out, rows, cols };
}
