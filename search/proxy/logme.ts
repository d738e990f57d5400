import { checkTraining } from "./check-input.ts";
import type { Matrix, MatrixEngine } from "./matrix-engine.ts";
import type { Proxy, ProxyInput, ProxyScore } from "./proxy.ts";
import { transpose } from "./transpose.ts";
import { tridiagonalEigen } from "./tridiagonal-eigen.ts";
import { applyTransposed, tridiagonalize, type Tridiagonal } from "./tridiagonalize.ts";

/**
 * LogME (You et al., "LogME: Practical Assessment of Pre-trained Models for Transfer Learning", arXiv 2102.11005,
 * algorithm 1): the log evidence of Bayesian linear regression from the features to each class's one-hot labels, with the
 * prior precision α and the noise precision β that maximise it, per item, averaged over the classes. In nats; higher is
 * better; can be positive, as it is a density. Reads the training items only, and the features as they are.
 *
 * The paper decomposes F Fᵀ; here the smaller of F Fᵀ and Fᵀ F is only made tridiagonal: eigenvalues give the
 * determinants and traces, tridiagonal solves the rest, and no eigenvector is needed.
 */
export function logmeProxy(engine: MatrixEngine): Proxy {
  return { name: "logme", score: (input) => scoreLogme(engine, input) };
}

async function scoreLogme(engine: MatrixEngine, input: ProxyInput): Promise<ProxyScore> {
  checkTraining(input);
  const { train, trainLabels, classes, dim, signal } = input;
  const items = trainLabels.length;
  const features: Matrix = { data: train, rows: items, cols: dim };
  const dual = items < dim;
  const size = dual ? items : dim;
  const tridiagonal = tridiagonalize(await engine.gram(dual ? features : transpose(features)), size);
  signal?.throwIfAborted();
  const spectrum = tridiagonalEigen(tridiagonal.diagonal, tridiagonal.offDiagonal).map((value) => Math.max(0, value));
  const present = new Set(trainLabels);
  let sum = 0;
  for (let label = 0; label < classes; label++) {
    if (!present.has(label)) continue;
    const target = new Float64Array(size);
    let count = 0;
    for (let i = 0; i < items; i++) {
      if (trainLabels[i] !== label) continue;
      count++;
      if (dual) target[i] = 1;
      else for (let j = 0; j < dim; j++) target[j] = (target[j] ?? 0) + (train[i * dim + j] ?? 0);
    }
    applyTransposed(tridiagonal, target);
    sum += maximizeEvidence({ tridiagonal, spectrum, target, dual, items, dim, squaredLabels: count });
  }
  return { score: sum / present.size, items };
}

/** Fixed-point steps at most; two to five are usual. The next two are the constants of the authors' code. */
const MAX_STEPS = 100;
const RELATIVE_CHANGE = 1e-3;
const ZERO_GUARD = 1e-5;

interface Regression {
  readonly tridiagonal: Tridiagonal;
  readonly spectrum: Float64Array;
  /** Qᵀ y in the dual, else Qᵀ Fᵀ y. */
  readonly target: Float64Array;
  readonly dual: boolean;
  readonly items: number;
  readonly dim: number;
  /** yᵀ y */
  readonly squaredLabels: number;
}

/** The largest log evidence per item of one regression. */
function maximizeEvidence({ tridiagonal, spectrum, target, dual, items, dim, squaredLabels }: Regression): number {
  let alpha = 1;
  let beta = 1;
  let evidence = 0;
  for (let step = 0; step < MAX_STEPS; step++) {
    const t = alpha / beta;
    const s = solveShifted(tridiagonal, t, target);
    const { norm, energy, product } = forms(tridiagonal, s, target);
    // With m = (FᵀF + t)⁻¹ Fᵀy: ‖m‖² and ‖F m - y‖².
    const squaredWeights = dual ? energy : norm;
    const squaredError = dual ? t * t * norm : Math.max(0, squaredLabels - 2 * product + energy);
    const gamma = spectrum.reduce((sum, value) => sum + value / (value + t), 0);
    alpha = gamma / (squaredWeights + ZERO_GUARD);
    beta = (items - gamma) / (squaredError + ZERO_GUARD);
    const logDeterminant =
      spectrum.reduce((sum, value) => sum + Math.log(alpha + beta * value), 0) +
      (dim - spectrum.length) * Math.log(alpha);
    evidence =
      (dim * Math.log(alpha) +
        items * Math.log(beta) -
        logDeterminant -
        beta * squaredError -
        alpha * squaredWeights -
        items * Math.log(2 * Math.PI)) /
      (2 * items);
    if (Math.abs(alpha / beta - t) <= RELATIVE_CHANGE * t) break;
  }
  return evidence;
}

/** (T + t I)⁻¹ b by elimination; T is positive semidefinite and t > 0, so no pivoting is needed. */
function solveShifted({ diagonal, offDiagonal }: Tridiagonal, t: number, b: Float64Array): Float64Array {
  const n = diagonal.length;
  const pivots = new Float64Array(n);
  const x = b.slice();
  for (let i = 0; i < n; i++) {
    const factor = i > 0 ? (offDiagonal[i - 1] ?? 0) / (pivots[i - 1] ?? 1) : 0;
    pivots[i] = Math.max(t * Number.EPSILON, (diagonal[i] ?? 0) + t - factor * (i > 0 ? (offDiagonal[i - 1] ?? 0) : 0));
    if (i > 0) x[i] = (x[i] ?? 0) - factor * (x[i - 1] ?? 0);
  }
  for (let i = n - 1; i >= 0; i--) {
    const above = i < n - 1 ? (offDiagonal[i] ?? 0) * (x[i + 1] ?? 0) : 0;
    x[i] = ((x[i] ?? 0) - above) / (pivots[i] ?? 1);
  }
  return x;
}

/** sᵀs, sᵀTs and sᵀb. */
function forms({ diagonal, offDiagonal }: Tridiagonal, s: Float64Array, b: Float64Array) {
  let norm = 0;
  let energy = 0;
  let product = 0;
  for (let i = 0; i < s.length; i++) {
    const value = s[i] ?? 0;
    norm += value * value;
    energy += value * ((diagonal[i] ?? 0) * value + 2 * (offDiagonal[i] ?? 0) * (s[i + 1] ?? 0));
    product += value * (b[i] ?? 0);
  }
  return { norm, energy, product };
}
