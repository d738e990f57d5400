import type { Matrix, MatrixEngine } from "./matrix-engine.ts";
import { inverseFactor, tryCholesky } from "./cholesky.ts";
import { transpose } from "./transpose.ts";
import { symmetricEigen } from "./symmetric-eigen.ts";

/**
 * The directions in which standardised features vary most, found by a randomised range finder with one power iteration
 * (Halko, Martinsson & Tropp, arXiv 0909.4061, algorithm 4.4). With weight s they approximate (s XᵀX + l2 I)⁻¹ q as
 * q / mu + Σ_j basis_j (1 / (s values_j + l2) - 1 / mu) (image_j · q), with mu = s rest + l2: a preconditioner after
 * Frangella, Tropp & Udell, "Randomized Nyström preconditioning" (arXiv 2110.02820).
 */
export interface TopSubspace {
  /** [k, p] */
  readonly basis: Matrix;
  /** [p, k]; equal to the transposed basis unless coordinates are in the dual, where it is K times that. */
  readonly image: Matrix;
  /** Eigenvalues of XᵀX along the basis, [k]. */
  readonly values: Float64Array;
  /** Mean eigenvalue of XᵀX outside the basis. */
  readonly rest: number;
}

/** More directions cost more than the iterations that they save; 32 is noticeably worse, 128 no better. */
const MAX_DIRECTIONS = 64;
const SEED = 0x9e3779b9;
/** Relative to the largest eigenvalue of a float32 Gram matrix; what is below it is rounding noise. */
const NOISE = 1e-6;

export interface TopSubspaceOptions {
  /** "features": x is X transposed [d, n]. "gram": x is K = X Xᵀ [n, n], the coordinates are dual. */
  readonly kind: "features" | "gram";
  /** Squared Frobenius norm of X. */
  readonly energy: number;
  /** Largest possible rank of X. */
  readonly rank: number;
}

export async function findTopSubspace(
  engine: MatrixEngine,
  x: Matrix,
  { kind, energy, rank }: TopSubspaceOptions,
): Promise<TopSubspace> {
  const k = Math.max(1, Math.min(MAX_DIRECTIONS, Math.floor(rank / 4)));
  const start = await engine.multiply(randomSigns(k, x.cols), x, { transposeB: true }); // [k, p]
  let q = await orthonormalize(engine, start);
  if (kind === "features") {
    const items = await engine.multiply(q, x); // [k, n]
    q = await orthonormalize(engine, await engine.multiply(items, x, { transposeB: true }));
    const projected = await engine.multiply(q, x);
    const { values, rotation } = await ritz(engine, projected, projected);
    const basis = await engine.multiply(rotation, q);
    return { basis, image: transpose(basis), values, rest: meanRest(energy, values, rank) };
  }
  const kq = await engine.multiply(q, x); // K is symmetric
  const { values, rotation } = await ritz(engine, q, kq);
  const scaled = scaleRows(
    rotation,
    values.map((value) => 1 / Math.sqrt(value)),
  ); // so that basis K basisᵀ = I
  const basis = await engine.multiply(scaled, q);
  const image = transpose(await engine.multiply(scaled, kq));
  return { basis, image, values, rest: meanRest(energy, values, rank) };
}

/**
 * Rows of the result are orthonormal and span those of `rows` [k, p], less what is lost in rounding. By Cholesky's factor of
 * their products, a twentieth of the work of eigenvectors, unless rounding leaves fewer rows.
 */
async function orthonormalize(engine: MatrixEngine, rows: Matrix): Promise<Matrix> {
  const k = rows.rows;
  const products = await engine.multiply(rows, rows, { transposeB: true });
  const factor = Float64Array.from(products.data);
  const largest = factor.reduce((most, value, at) => (at % (k + 1) === 0 ? Math.max(most, value) : most), 0);
  if (tryCholesky(factor, k, NOISE * largest) === null) {
    return engine.multiply({ data: Float32Array.from(inverseFactor(factor, k)), rows: k, cols: k }, rows);
  }
  const { values, rotation } = eigenpairs(products);
  return engine.multiply(
    scaleRows(
      rotation,
      values.map((value) => 1 / Math.sqrt(value)),
    ),
    rows,
  );
}

/** The eigenpairs of a · bᵀ (symmetric, [k, k]) above rounding noise: eigenvectors are rows. */
async function ritz(engine: MatrixEngine, a: Matrix, b: Matrix): Promise<{ values: Float64Array; rotation: Matrix }> {
  return eigenpairs(await engine.multiply(a, b, { transposeB: true }));
}

function eigenpairs({ data: product, rows: k }: Matrix): { values: Float64Array; rotation: Matrix } {
  const { values, vectors } = symmetricEigen(Float64Array.from(product), k);
  const floor = Math.max(Number.MIN_VALUE, NOISE * values.reduce((most, value) => Math.max(most, value), 0));
  const kept = Array.from(values.keys()).filter((j) => (values[j] ?? 0) > floor);
  const data = new Float32Array(kept.length * k);
  kept.forEach((j, row) => data.set(vectors.subarray(j * k, (j + 1) * k), row * k));
  return { values: Float64Array.from(kept, (j) => values[j] ?? 0), rotation: { data, rows: kept.length, cols: k } };
}

function meanRest(energy: number, values: Float64Array, rank: number): number {
  const found = values.reduce((sum, value) => sum + value, 0);
  return Math.max(0, energy - found) / Math.max(1, rank - values.length);
}

function scaleRows({ data, rows, cols }: Matrix, factors: Float64Array): Matrix {
  const scaled = data.map((value, at) => value * (factors[Math.floor(at / cols)] ?? 0));
  return { data: scaled, rows, cols };
}

/** Independent random signs (mulberry32), always the same ones: as good as normal values to probe a matrix with. */
function randomSigns(rows: number, cols: number): Matrix {
  let state = SEED;
  const data = new Float32Array(rows * cols);
  for (let i = 0; i < data.length; i++) {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    data[i] = (t ^ (t >>> 14)) & 1 ? 1 : -1;
  }
  return { data, rows, cols };
}
