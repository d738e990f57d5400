import type { Matrix } from "./matrix-engine.ts";

/** Σ a[i] b[i] over `length` values from `from` on, accumulated in float64 (four sums, so that additions overlap). */
export function dot(a: Float32Array, b: Float32Array, from: number, length: number): number {
  const end = from + length;
  const whole = end - (length % 4);
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let i = from; i < whole; i += 4) {
    s0 += (a[i] ?? 0) * (b[i] ?? 0);
    s1 += (a[i + 1] ?? 0) * (b[i + 1] ?? 0);
    s2 += (a[i + 2] ?? 0) * (b[i + 2] ?? 0);
    s3 += (a[i + 3] ?? 0) * (b[i + 3] ?? 0);
  }
  for (let i = whole; i < end; i++) s0 += (a[i] ?? 0) * (b[i] ?? 0);
  return s0 + s1 + (s2 + s3);
}

/** The dot product of each row of a matrix with that of another, [rows]. */
export function rowDots(a: Matrix, b: Matrix): Float64Array {
  const dots = new Float64Array(a.rows);
  for (let row = 0; row < a.rows; row++) dots[row] = dot(a.data, b.data, row * a.cols, a.cols);
  return dots;
}

/** out <- a + factor b, over `length` values from `from` on; all of a where the factor is 0, whatever b is. */
export function addScaled(
  out: Float32Array,
  a: Float32Array,
  factor: number,
  b: Float32Array,
  from: number,
  length: number,
): void {
  if (factor === 0) out.set(a.subarray(from, from + length), from);
  else for (let i = from; i < from + length; i++) out[i] = (a[i] ?? 0) + factor * (b[i] ?? 0);
}

/** out <- a - b, over everything. */
export function subtract(out: Float32Array, a: Float32Array, b: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = (a[i] ?? 0) - (b[i] ?? 0);
}

/** x <- factorX x + factorA a + factorB b, over `length` values from `from` on. */
export function combine(
  x: Float32Array,
  factorX: number,
  a: Float32Array,
  factorA: number,
  b: Float32Array,
  factorB: number,
  from: number,
  length: number,
): void {
  for (let i = from; i < from + length; i++) {
    x[i] = factorX * (x[i] ?? 0) + (factorA * (a[i] ?? 0) + factorB * (b[i] ?? 0));
  }
}
