import { invertFactor } from "./cholesky.ts";
import type { MatrixEngine, Stack } from "./matrix-engine.ts";
import { newStack, partOf } from "./stack.ts";
import { symmetricEigen } from "./symmetric-eigen.ts";
import { transposeAll } from "./transpose.ts";

/**
 * For each of some matrices X [n, d], the directions in which its rows, standardised features, vary most, found by a
 * randomised range finder with one power iteration (Halko, Martinsson & Tropp, arXiv 0909.4061, algorithm 4.4). With weight
 * s they approximate (s XᵀX + l2 I)⁻¹ q as q / mu + Σ_j basis_j (1 / (s values_j + l2) - 1 / mu) (image_j · q), with
 * mu = s rest + l2: a preconditioner after Frangella, Tropp & Udell, "Randomized Nyström preconditioning" (arXiv
 * 2110.02820). Coordinates end in that of the intercept, which directions have nothing of.
 */
export interface TopSubspaces {
  /** [count, k, p] */
  readonly basis: Stack;
  /** [count, p, k]; equal to the transposed basis unless coordinates are in the dual, where it is K times that. */
  readonly image: Stack;
  /** Eigenvalues of XᵀX along the basis, [k] for each; 0, with a basis of zeros, beyond the rank. */
  readonly values: readonly Float64Array[];
  /** For each, the mean eigenvalue of XᵀX outside the basis. */
  readonly rest: readonly number[];
}

/** More directions cost more than the iterations that they save; 32 is noticeably worse, 128 no better. */
const MAX_DIRECTIONS = 64;
const SEED = 0x9e3779b9;
/** Relative to the largest eigenvalue of a float32 Gram matrix; what is below it is rounding noise. */
const NOISE = 1e-6;

export interface TopSubspaceOptions {
  /** "features": x is X transposed, [d + 1, n]. "gram": x is K = X Xᵀ, [n + 1, n]: coordinates are dual. Both end in a row of ones. */
  readonly kind: "features" | "gram";
  /** Squared Frobenius norm of X. */
  readonly energy: number;
  /** Largest possible rank of X. */
  readonly rank: number;
}

export async function findTopSubspaces(
  engine: MatrixEngine,
  x: Stack,
  { kind, energy, rank }: TopSubspaceOptions,
): Promise<TopSubspaces> {
  const k = Math.max(1, Math.min(MAX_DIRECTIONS, Math.floor(rank / 4)));
  const turned = { transposeB: true };
  const start = await engine.multiplyStacks(randomSigns(x.count, k, x.cols), x, turned); // [k, p]
  let q = await orthonormalize(engine, clearIntercepts(start));
  if (kind === "features") {
    const items = await engine.multiplyStacks(q, x); // [k, n]
    q = await orthonormalize(engine, clearIntercepts(await engine.multiplyStacks(items, x, turned)));
    const projected = await engine.multiplyStacks(q, x);
    const { values, rotations } = eigenpairs(await engine.multiplyStacks(projected, projected, turned));
    const basis = await engine.multiplyStacks(rotations, q);
    return { basis, image: transposeAll(basis), values, rest: values.map((some) => meanRest(energy, some, rank)) };
  }
  const kq = appendIntercepts(await engine.multiplyStacks(q, x)); // K is symmetric
  const { values, rotations } = eigenpairs(await engine.multiplyStacks(q, kq, turned));
  scaleByRoots(rotations, values); // so that basis K basisᵀ = I
  const basis = await engine.multiplyStacks(rotations, q);
  const image = transposeAll(await engine.multiplyStacks(rotations, kq));
  return { basis, image, values, rest: values.map((some) => meanRest(energy, some, rank)) };
}

/** Sets the last coordinate of each row to 0, in place. */
function clearIntercepts(stack: Stack): Stack {
  const { data, cols } = stack;
  for (let at = cols - 1; at < data.length; at += cols) data[at] = 0;
  return stack;
}

/** Rows with a last coordinate of 0 more. */
function appendIntercepts({ data, count, rows, cols }: Stack): Stack {
  const out = newStack(count, rows, cols + 1);
  for (let row = 0; row < count * rows; row++) {
    out.data.set(data.subarray(row * cols, (row + 1) * cols), row * (cols + 1));
  }
  return out;
}

/**
 * Rows of each result are orthonormal and span those of `rows` [count, k, p], less what is lost in rounding. By Cholesky's
 * factor of their products, a twentieth of the work of eigenvectors, unless rounding leaves fewer rows: others are 0 then.
 */
async function orthonormalize(engine: MatrixEngine, rows: Stack): Promise<Stack> {
  const products = await engine.multiplyStacks(rows, rows, { transposeB: true });
  const { count, rows: k } = products;
  const factors = newStack(count, k, k);
  for (let index = 0; index < count; index++) {
    partOf(factors, index).set(orthonormalizer(partOf(products, index), k));
  }
  return engine.multiplyStacks(factors, rows);
}

/** What rows with such products [k, k] are to be multiplied by to be orthonormal. */
function orthonormalizer(product: Float32Array, k: number): Float32Array | Float64Array {
  const factor = Float64Array.from(product);
  let largest = 0;
  for (let at = 0; at < factor.length; at += k + 1) largest = Math.max(largest, factor[at] ?? 0);
  if (invertFactor(factor, k, NOISE * largest)) return factor;
  const one = eigenpairs({ data: product, count: 1, rows: k, cols: k });
  scaleByRoots(one.rotations, one.values);
  return one.rotations.data;
}

/** The eigenpairs of symmetric [k, k] matrices above rounding noise, the others 0: eigenvectors are rows. */
function eigenpairs(stack: Stack): { values: Float64Array[]; rotations: Stack } {
  const { count, rows: k } = stack;
  const rotations = newStack(count, k, k);
  const values = Array.from({ length: count }, (_, index) => {
    const { values: found, vectors } = symmetricEigen(Float64Array.from(partOf(stack, index)), k);
    const rotation = partOf(rotations, index);
    const floor = Math.max(Number.MIN_VALUE, NOISE * found.reduce((most, value) => Math.max(most, value), 0));
    const kept = new Float64Array(k);
    found.forEach((value, j) => {
      if (!(value > floor)) return;
      kept[j] = value;
      rotation.set(vectors.subarray(j * k, (j + 1) * k), j * k);
    });
    return kept;
  });
  return { values, rotations };
}

/** Divides each row by the root of its value, in place; rows whose value is 0 are 0. */
function scaleByRoots({ data, cols }: Stack, values: readonly Float64Array[]): void {
  let row = 0;
  for (const some of values) {
    for (const value of some) {
      const factor = value > 0 ? 1 / Math.sqrt(value) : 0;
      for (let at = row * cols; at < (row + 1) * cols; at++) data[at] = (data[at] ?? 0) * factor;
      row++;
    }
  }
}

function meanRest(energy: number, values: Float64Array, rank: number): number {
  const found = values.reduce((sum, value) => sum + value, 0);
  const count = values.reduce((sum, value) => sum + Number(value > 0), 0);
  return Math.max(0, energy - found) / Math.max(1, rank - count);
}

/** Independent random signs (mulberry32), the same ones for each: as good as normal values to probe a matrix with. */
function randomSigns(count: number, rows: number, cols: number): Stack {
  let state = SEED;
  const signs = newStack(count, rows, cols);
  const { data } = signs;
  const size = rows * cols;
  for (let i = 0; i < size; i++) {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    data[i] = (t ^ (t >>> 14)) & 1 ? 1 : -1;
  }
  for (let index = 1; index < count; index++) data.copyWithin(index * size, 0, size);
  return signs;
}
