/**
 * The lower factor L of a symmetric positive definite A = L Lᵀ [n, n], in place of its lower triangle. Float64; n³ / 6
 * products. Row by row; four entries of a row at a time, so that each value read is used four times.
 * @throws Error when A is not positive definite
 */
export function cholesky(a: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) {
    const row = i * n;
    let j = 0;
    for (; j + 4 <= i; j += 4) {
      const j0 = j * n;
      const j1 = j0 + n;
      const j2 = j1 + n;
      const j3 = j2 + n;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let k = 0; k < j; k++) {
        const value = a[row + k] ?? 0;
        s0 += value * (a[j0 + k] ?? 0);
        s1 += value * (a[j1 + k] ?? 0);
        s2 += value * (a[j2 + k] ?? 0);
        s3 += value * (a[j3 + k] ?? 0);
      }
      finishEntry(a, n, i, j, j, s0);
      finishEntry(a, n, i, j + 1, j, s1);
      finishEntry(a, n, i, j + 2, j, s2);
      finishEntry(a, n, i, j + 3, j, s3);
    }
    for (const from = j; j < i; j++) finishEntry(a, n, i, j, from, partialDot(a, row, j * n, from));
    const pivot = (a[row + i] ?? 0) - partialDot(a, row, row, i);
    if (!(pivot > 0)) throw new Error(`matrix of size ${n} is not positive definite at row ${i}`);
    a[row + i] = Math.sqrt(pivot);
  }
}

/**
 * The inverse L⁻¹ [n, n] of the lower factor of a symmetric positive definite A = L Lᵀ, in its place; zeros above the
 * diagonal. By elimination in [A | I], whose lower triangles make room for each other: n³ / 3 products in one short loop. For
 * small matrices: it is soon compiled, which takes longer than its work.
 * @param a only its lower triangle is read
 * @returns whether all pivots are above `least`; if not, nothing of use is left
 */
export function invertFactor(a: Float64Array, n: number, least: number): boolean {
  const roots = new Float64Array(n);
  const pivotRow = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const pivot = a[i * n + i] ?? 0;
    if (!(pivot > least)) return false;
    roots[i] = Math.sqrt(pivot);
    // of the inverse, then of what is left of A, which is symmetric
    for (let j = 0; j < i; j++) pivotRow[j] = a[i * n + j] ?? 0;
    for (let j = i; j < n; j++) pivotRow[j] = a[j * n + i] ?? 0;
    for (let row = i + 1; row < n; row++) {
      const factor = (pivotRow[row] ?? 0) / pivot;
      for (let j = 0; j <= row; j++) a[row * n + j] = (a[row * n + j] ?? 0) - factor * (pivotRow[j] ?? 0);
      a[row * n + i] = -factor;
    }
    a[i * n + i] = 1;
  }
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) a[i * n + j] = j <= i ? (a[i * n + j] ?? 0) / (roots[i] ?? 1) : 0;
  }
  return true;
}

/**
 * The inverse of the lower factor of factor A + shift I, for a positive semidefinite A [n, n] that rounding may have made
 * slightly less than that: the shift grows until the sum is positive definite.
 * @param shift above 0
 */
export function shiftedInverseFactor(a: Float32Array, n: number, factor: number, shift: number): Float64Array {
  const inverse = new Float64Array(n * n);
  for (let added = shift; ; added *= 10) {
    for (let at = 0; at < inverse.length; at++) inverse[at] = factor * (a[at] ?? 0);
    for (let at = 0; at < inverse.length; at += n + 1) inverse[at] = (inverse[at] ?? 0) + added;
    if (invertFactor(inverse, n, added / 10)) return inverse;
    if (added === Infinity) throw new Error(`a matrix of size ${n} holds values that are not finite`);
  }
}

/** L[i, j] from A[i, j] and `sum` = Σ_{k < from} L[i, k] L[j, k]. */
function finishEntry(a: Float64Array, n: number, i: number, j: number, from: number, sum: number): void {
  let rest = (a[i * n + j] ?? 0) - sum;
  for (let k = from; k < j; k++) rest -= (a[i * n + k] ?? 0) * (a[j * n + k] ?? 0);
  a[i * n + j] = rest / (a[j * n + j] ?? 1);
}

/** Σ_{k < count} a[x + k] a[y + k] */
function partialDot(a: Float64Array, x: number, y: number, count: number): number {
  let sum = 0;
  for (let k = 0; k < count; k++) sum += (a[x + k] ?? 0) * (a[y + k] ?? 0);
  return sum;
}

/** x <- A⁻¹ x with the factor that `cholesky` left in `factor`. */
export function choleskySolve(factor: Float64Array, n: number, x: Float64Array): void {
  for (let i = 0; i < n; i++) {
    let sum = x[i] ?? 0;
    for (let k = 0; k < i; k++) sum -= (factor[i * n + k] ?? 0) * (x[k] ?? 0);
    x[i] = sum / (factor[i * n + i] ?? 1);
  }
  for (let i = n - 1; i >= 0; i--) {
    const value = (x[i] ?? 0) / (factor[i * n + i] ?? 1);
    x[i] = value;
    for (let k = 0; k < i; k++) x[k] = (x[k] ?? 0) - (factor[i * n + k] ?? 0) * value;
  }
}
