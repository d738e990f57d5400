/** T = Qᵀ A Q with T tridiagonal. Float64. */
export interface Tridiagonal {
  /** [n] */
  readonly diagonal: Float64Array;
  /** [n]; entry i stands between i and i + 1, the last is 0. */
  readonly offDiagonal: Float64Array;
  /** Householder vectors [n, n]: row k holds v of step k in columns k + 1 … n - 1; Q = H0 H1 … with H = I - v vᵀ. */
  readonly reflectors: Float64Array;
}

/**
 * Householder tridiagonalisation (Golub & Van Loan, Matrix Computations, 8.3.1) of a symmetric matrix [n, n], of which
 * only the lower triangle is read, and which is OVERWRITTEN. The rank-2 update of one step and the product with the next
 * Householder vector share one pass over the triangle, because memory bounds it: n³ / 6 entries are visited.
 */
export function tridiagonalize(a: Float64Array, n: number): Tridiagonal {
  const diagonal = new Float64Array(n);
  const offDiagonal = new Float64Array(n);
  const reflectors = new Float64Array(n * n);
  let v: Float64Array = new Float64Array(n); // Householder vector of the previous step
  let w: Float64Array = new Float64Array(n); // A <- A - v wᵀ - w vᵀ is still to be applied
  for (let k = 0; k < n; k++) {
    // Column k below the diagonal, with the pending update.
    const vk = v[k] ?? 0;
    const wk = w[k] ?? 0;
    diagonal[k] = (a[k * n + k] ?? 0) - 2 * vk * wk;
    const next = new Float64Array(n);
    for (let i = k + 1; i < n; i++) next[i] = (a[i * n + k] ?? 0) - (v[i] ?? 0) * wk - (w[i] ?? 0) * vk;
    offDiagonal[k] = householder(next, k + 1);
    reflectors.set(next, k * n);
    const product = updateAndMultiply(a, n, k + 1, v, w, next);
    // w = p - (pᵀv / 2) v
    let half = 0;
    for (let i = k + 1; i < n; i++) half += (product[i] ?? 0) * (next[i] ?? 0);
    half /= 2;
    for (let i = k + 1; i < n; i++) product[i] = (product[i] ?? 0) - half * (next[i] ?? 0);
    v = next;
    w = product;
  }
  return { diagonal, offDiagonal, reflectors };
}

/** Replaces x[from …] by v with (I - v vᵀ) x = (alpha, 0, …); returns alpha. v = 0 where nothing is to be done. */
function householder(x: Float64Array, from: number): number {
  const n = x.length;
  if (from >= n) return 0;
  let largest = 0;
  for (let i = from; i < n; i++) largest = Math.max(largest, Math.abs(x[i] ?? 0));
  if (largest === 0) return 0;
  // of x / largest, so that nothing is too small or too large to be squared or divided by
  let sum = 0;
  for (let i = from; i < n; i++) sum += (x[i] = (x[i] ?? 0) / largest) ** 2;
  const first = x[from] ?? 0;
  const norm = Math.sqrt(sum);
  const alpha = first > 0 ? -norm : norm;
  // vᵀv = 2: v = (x - alpha e) / sqrt(norm (norm + |first|))
  const scale = 1 / Math.sqrt(norm * (norm + Math.abs(first)));
  x[from] = first - alpha;
  for (let i = from; i < n; i++) x[i] = (x[i] ?? 0) * scale;
  return alpha * largest;
}

/**
 * Applies A <- A - v wᵀ - w vᵀ to the lower triangle from `from` on, and returns A x. Two rows at a time: v, w, x and the
 * product are then read half as often.
 */
function updateAndMultiply(
  a: Float64Array,
  n: number,
  from: number,
  v: Float64Array,
  w: Float64Array,
  x: Float64Array,
): Float64Array {
  const product = new Float64Array(n);
  let i = from;
  for (; i + 1 < n; i += 2) {
    const row0 = i * n;
    const row1 = row0 + n;
    const v0 = v[i] ?? 0;
    const w0 = w[i] ?? 0;
    const x0 = x[i] ?? 0;
    const v1 = v[i + 1] ?? 0;
    const w1 = w[i + 1] ?? 0;
    const x1 = x[i + 1] ?? 0;
    let sum0 = 0;
    let sum1 = 0;
    for (let j = from; j < i; j++) {
      const vj = v[j] ?? 0;
      const wj = w[j] ?? 0;
      const xj = x[j] ?? 0;
      const a0 = (a[row0 + j] ?? 0) - v0 * wj - w0 * vj;
      const a1 = (a[row1 + j] ?? 0) - v1 * wj - w1 * vj;
      a[row0 + j] = a0;
      a[row1 + j] = a1;
      sum0 += a0 * xj;
      sum1 += a1 * xj;
      product[j] = (product[j] ?? 0) + a0 * x0 + a1 * x1;
    }
    const d0 = (a[row0 + i] ?? 0) - 2 * v0 * w0;
    const below = (a[row1 + i] ?? 0) - v1 * w0 - w1 * v0;
    const d1 = (a[row1 + i + 1] ?? 0) - 2 * v1 * w1;
    a[row0 + i] = d0;
    a[row1 + i] = below;
    a[row1 + i + 1] = d1;
    product[i] = (product[i] ?? 0) + sum0 + d0 * x0 + below * x1;
    product[i + 1] = (product[i + 1] ?? 0) + sum1 + below * x0 + d1 * x1;
  }
  if (i < n) {
    const row = i * n;
    const vi = v[i] ?? 0;
    const wi = w[i] ?? 0;
    const xi = x[i] ?? 0;
    let sum = 0;
    for (let j = from; j < i; j++) {
      const value = (a[row + j] ?? 0) - vi * (w[j] ?? 0) - wi * (v[j] ?? 0);
      a[row + j] = value;
      sum += value * (x[j] ?? 0);
      product[j] = (product[j] ?? 0) + value * xi;
    }
    const value = (a[row + i] ?? 0) - 2 * vi * wi;
    a[row + i] = value;
    product[i] = (product[i] ?? 0) + sum + value * xi;
  }
  return product;
}

/** x <- Qᵀ x, in place. */
export function applyTransposed({ reflectors, diagonal }: Tridiagonal, x: Float64Array): void {
  const n = diagonal.length;
  for (let k = 0; k < n - 1; k++) {
    const row = k * n;
    let dot = 0;
    for (let i = k + 1; i < n; i++) dot += (reflectors[row + i] ?? 0) * (x[i] ?? 0);
    for (let i = k + 1; i < n; i++) x[i] = (x[i] ?? 0) - dot * (reflectors[row + i] ?? 0);
  }
}
