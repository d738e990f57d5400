import { createHash } from "node:crypto";
import { shiftedInverseFactor } from "./cholesky.ts";
import type { ProblemKind } from "./logistic-graph.ts";
import type { MatrixEngine, Stack } from "./matrix-engine.ts";
import { newStack, partOf } from "./stack.ts";
import { transposeAll } from "./transpose.ts";

/**
 * For each of some matrices X [n, d], directions in which its rows, standardised features, vary most, found by a randomised
 * range finder with one power iteration (Halko, Martinsson & Tropp, arXiv 0909.4061, algorithm 4.4). With weight s they
 * approximate (s XᵀX + l2 I)⁻¹ q as q / mu + basisᵀ ((s products + l2 I)⁻¹ - I / mu) imageᵀ q, with mu = s rest + l2: a
 * preconditioner after Frangella, Tropp & Udell, "Randomized Nyström preconditioning" (arXiv 2110.02820), without their
 * eigenvectors. Coordinates end in that of the intercept, which directions have nothing of.
 */
export interface TopSubspaces {
  /** [count, k, p], orthonormal in the metric of the coordinates, less what is lost in rounding. */
  readonly basis: Stack;
  /** [count, p, k]; equal to the transposed basis unless coordinates are in the dual, where it is K times that. */
  readonly image: Stack;
  /** XᵀX along the basis, [count, k, k]. */
  readonly products: Stack;
  /** For each, the mean eigenvalue of XᵀX outside the basis. */
  readonly rest: readonly number[];
}

/** More directions cost more than the iterations that they save; 32 is noticeably worse, 128 no better. */
const MAX_DIRECTIONS = 64;
/** Relative to the largest entry of products in float32; what is below it is rounding noise. */
const NOISE = 1e-6;
/** What is smaller counts as that large: its inverse is still a float32. */
const LEAST = 1e-30;

export interface TopSubspaceOptions {
  /** What x is. */
  readonly kind: ProblemKind;
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
  const start = await engine.multiplyStacks(noise(x.count, k, x.cols), x, turned); // [k, p]
  const q = await orthonormalize(engine, clearIntercepts(start));
  if (kind === "features") {
    const items = await engine.multiplyStacks(q, x); // [k, n]
    const powered = await orthonormalize(engine, clearIntercepts(await engine.multiplyStacks(items, x, turned)));
    const basis = await orthonormalize(engine, powered); // again, for those that were too short
    const projected = await engine.multiplyStacks(basis, x);
    const products = await engine.multiplyStacks(projected, projected, turned);
    return { basis, image: transposeAll(basis), products, rest: meanRests(products, energy, rank) };
  }
  const kq = appendIntercepts(await engine.multiplyStacks(q, x)); // K is symmetric
  const factors = orthonormalizers(await engine.multiplyStacks(q, kq, turned)); // so that basis K basisᵀ = I
  const basis = await engine.multiplyStacks(factors, q);
  const image = await engine.multiplyStacks(factors, kq);
  const products = await engine.multiplyStacks(image, image, turned);
  return { basis, image: transposeAll(image), products, rest: meanRests(products, energy, rank) };
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
 * Rows of each result are orthonormal and span those of `rows` [count, k, p], less what is lost in rounding (Cholesky QR;
 * Fukaya et al., "Shifted Cholesky QR", arXiv 1809.11085): of rows that nearly depend on each other, some are too short.
 */
async function orthonormalize(engine: MatrixEngine, rows: Stack): Promise<Stack> {
  const products = await engine.multiplyStacks(rows, rows, { transposeB: true });
  return engine.multiplyStacks(orthonormalizers(products), rows);
}

/** What rows with such products [count, k, k] are to be multiplied by to be orthonormal. */
function orthonormalizers(products: Stack): Stack {
  const { count, rows: k } = products;
  const factors = newStack(count, k, k);
  for (let index = 0; index < count; index++) {
    const product = partOf(products, index);
    let largest = LEAST;
    for (let at = 0; at < product.length; at += k + 1) largest = Math.max(largest, product[at] ?? 0);
    partOf(factors, index).set(shiftedInverseFactor(product, k, 1, NOISE * largest));
  }
  return factors;
}

/** Of what XᵀX has beside its products along the basis. */
function meanRests(products: Stack, energy: number, rank: number): number[] {
  const { count, rows: k } = products;
  return Array.from({ length: count }, (_, index) => {
    const product = partOf(products, index);
    let found = 0;
    for (let at = 0; at < product.length; at += k + 1) found += product[at] ?? 0;
    return Math.max(0, energy - found) / Math.max(1, rank - k);
  });
}

/** Independent random values, the same ones for each: as good as normal ones to probe a matrix with. */
function noise(count: number, rows: number, cols: number): Stack {
  const size = rows * cols;
  const { buffer, byteOffset } = createHash("shake256", { outputLength: size }).update("noise").digest();
  const { data, ...shape } = newStack(count, rows, cols);
  for (let index = 0; index < count; index++) data.set(new Int8Array(buffer, byteOffset, size), index * size);
  return { data, ...shape };
}
