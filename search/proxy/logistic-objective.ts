import { shiftedInverseFactor } from "./cholesky.ts";
import type { Objectives, Site } from "./lbfgs.ts";
import type { Matrix, MatrixEngine, Stack } from "./matrix-engine.ts";
import { newStack, partOf } from "./stack.ts";
import type { TopSubspaces } from "./top-subspace.ts";

/** Of p (1 - p), summed over two classes: the bound of Böhning, Multinomial logistic regression algorithm (1992). */
export const MAX_CURVATURE = 0.5;

/** Of an intercept: its inverse is still a float32. */
const LEAST_CURVATURE = 1e-30;

/** A preconditioner is used again where the curvature has changed by less than this factor: it costs more than it saves. */
const SAME_CURVATURE = 2;

/** Problems of one shape with the same labels. */
export interface LogisticProblems {
  /**
   * "features": x is X transposed, [d + 1, n], and coordinates are the weights [c, d + 1].
   * "gram": x is K = X Xᵀ, [n + 1, n], and coordinates are A [c, n + 1] with weights = A X (the representer theorem): an
   * iteration costs n² c instead of n d c. The metric is K, so the iterates are the same.
   * In both, the last row of x is ones, and the last coordinate of a class its intercept.
   */
  readonly kind: "features" | "gram";
  readonly x: Stack;
  /** [n], each in 0 … classes - 1 */
  readonly labels: Int32Array;
  readonly classes: number;
  /** Factor of ½ ‖weights‖². */
  readonly l2: number;
}

/**
 * For each problem, ½ l2 ‖W‖² + Σ_i -log softmax(W x_i + b)[label_i]: sum, not mean; the intercepts b are not penalised.
 * Curvature is the mean of p (1 - p) over items and classes.
 */
export function logisticObjectives(
  engine: MatrixEngine,
  problems: LogisticProblems,
  subspaces: TopSubspaces,
): Objectives {
  const { x, labels, classes } = problems;
  const { count, rows: coordinates } = x;
  const y = oneHot(labels, classes);
  const inverse = new Inverse(engine, problems, subspaces);
  return {
    count,
    size: classes * coordinates,
    openSite: () => openSite(engine, problems, y),
    precondition: (site, changes, curvatures) => inverse.multiply(site, changes, curvatures),
  };
}

/** A row for each matrix of a stack. */
const asRows = ({ data, count, rows, cols }: Stack): Matrix => ({ data, rows: count, cols: rows * cols });

async function openSite(engine: MatrixEngine, problems: LogisticProblems, y: Matrix): Promise<Site> {
  const { kind, x, labels, classes, l2 } = problems;
  const { count, rows: p, cols: n } = x;
  const w = newStack(count, classes, p);
  const out = {
    wx: newStack(count, classes, n),
    logProbabilities: newStack(count, n, classes),
    residuals: newStack(count, n, classes),
    xr: newStack(count, p, classes),
  };
  const run = await engine.bind("logistic", { x, w, y }, out);
  const gradients = newStack(count, classes, p);
  const gradientDuals = kind === "features" ? gradients : newStack(count, classes, p);
  const values = new Float64Array(count);
  const curvatures = new Float64Array(count);
  return {
    points: asRows(w),
    gradients: asRows(gradients),
    gradientDuals: asRows(gradientDuals),
    ...{ values, curvatures },
    async evaluate() {
      await run();
      for (let index = 0; index < count; index++) {
        const part = (stack: Stack): Float32Array => partOf(stack, index);
        const [own, xr, residuals, gradient] = [part(w), part(out.xr), part(out.residuals), part(gradients)];
        const square =
          kind === "features"
            ? addPenalty(gradient, own, xr, classes, l2)
            : addDualPenalty(gradient, part(gradientDuals), own, part(out.wx), residuals, xr, classes, l2);
        values[index] = 0.5 * l2 * square + loss(part(out.logProbabilities), labels, classes);
        curvatures[index] = spread(residuals) / residuals.length;
      }
    },
  };
}

/** The preconditioner of each problem, and where it is put together. */
class Inverse {
  readonly #engine: MatrixEngine;
  readonly #subspaces: TopSubspaces;
  readonly #items: number;
  readonly #l2: number;
  /** The curvature that each assumes. */
  readonly #assumed: Float64Array;
  readonly #factor: Stack;
  readonly #drop: Stack;
  readonly #rest: Stack;
  readonly #inverseGradient: Stack;
  readonly #inverseChange: Stack;
  /** For each site, what multiplies its gradients. */
  readonly #runs = new Map<Site, () => Promise<void>>();

  constructor(engine: MatrixEngine, { x, labels, classes, l2 }: LogisticProblems, subspaces: TopSubspaces) {
    const k = subspaces.basis.rows;
    this.#engine = engine;
    this.#subspaces = subspaces;
    this.#items = labels.length;
    this.#l2 = l2;
    this.#assumed = new Float64Array(x.count);
    this.#factor = newStack(x.count, k, k);
    this.#drop = newStack(x.count, 1, 1);
    this.#rest = newStack(x.count, 1, x.rows);
    this.#inverseGradient = newStack(x.count, classes, x.rows);
    this.#inverseChange = newStack(x.count, classes, x.rows);
  }

  async multiply(site: Site, changes: Matrix, curvatures: Float64Array): Promise<readonly [Matrix, Matrix]> {
    const run = this.#runs.get(site) ?? (await this.#bind(site, changes));
    this.#runs.set(site, run);
    curvatures.forEach((curvature, index) => {
      const ratio = curvature / (this.#assumed[index] ?? 0);
      if (!(ratio < SAME_CURVATURE && ratio > 1 / SAME_CURVATURE)) this.#assume(curvature, index);
    });
    await run();
    return [asRows(this.#inverseGradient), asRows(this.#inverseChange)];
  }

  #assume(curvature: number, index: number): void {
    this.#assumed[index] = curvature;
    const { products, rest } = this.#subspaces;
    const factor = shiftedInverseFactor(partOf(products, index), products.rows, curvature, this.#l2);
    partOf(this.#factor, index).set(factor);
    const mu = curvature * (rest[index] ?? 0) + this.#l2;
    const all = partOf(this.#rest, index).fill(1 / mu);
    partOf(this.#drop, index).fill(1 / mu);
    all[all.length - 1] = 1 / Math.max(curvature * this.#items, LEAST_CURVATURE);
  }

  #bind(site: Site, changes: Matrix): Promise<() => Promise<void>> {
    const { image, basis } = this.#subspaces;
    const { count, rows, cols } = this.#inverseGradient;
    const stack = (matrix: Matrix): Stack => ({ data: matrix.data, count, rows, cols });
    const inputs = { gradient: stack(site.gradients), change: stack(changes), image, basis, factor: this.#factor };
    return this.#engine.bind(
      "precondition",
      { ...inputs, drop: this.#drop, rest: this.#rest },
      { inverseGradient: this.#inverseGradient, inverseChange: this.#inverseChange },
    );
  }
}

/** Σ_i -log p[i, label_i] of log probabilities [n, c]. */
function loss(logProbabilities: Float32Array, labels: Int32Array, classes: number): number {
  let value = 0;
  for (let i = 0; i < labels.length; i++) value -= logProbabilities[i * classes + (labels[i] ?? 0)] ?? 0;
  return value;
}

/** Σ p (1 - p) of residuals, which are p or p - 1. */
function spread(residuals: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < residuals.length; i++) {
    const size = Math.abs(residuals[i] ?? 0);
    sum += size * (1 - size);
  }
  return sum;
}

/**
 * The gradient l2 W + Rᵀ X, and that of the intercepts, Σ r. @param xr [d + 1, c]
 * @returns ‖W‖²
 */
function addPenalty(gradient: Float32Array, w: Float32Array, xr: Float32Array, classes: number, l2: number): number {
  const size = w.length / classes;
  let square = 0;
  for (let k = 0; k < classes; k++) {
    for (let j = 0; j < size - 1; j++) {
      const at = k * size + j;
      const weight = w[at] ?? 0;
      square += weight * weight;
      gradient[at] = l2 * weight + (xr[j * classes + k] ?? 0);
    }
    gradient[(k + 1) * size - 1] = xr[(size - 1) * classes + k] ?? 0;
  }
  return square;
}

/**
 * The gradient l2 A + Rᵀ in dual coordinates, and K times that, and those of the intercepts, Σ r.
 * @param wx A K + b, [c, n] @param xr [n + 1, c] @returns A K Aᵀ, summed over classes: ‖W‖²
 */
function addDualPenalty(
  gradient: Float32Array,
  gradientDual: Float32Array,
  w: Float32Array,
  wx: Float32Array,
  residuals: Float32Array,
  xr: Float32Array,
  classes: number,
  l2: number,
): number {
  const items = wx.length / classes;
  let square = 0;
  for (let k = 0; k < classes; k++) {
    const last = k * (items + 1) + items;
    const intercept = w[last] ?? 0;
    for (let i = 0; i < items; i++) {
      const at = k * (items + 1) + i;
      const weight = w[at] ?? 0;
      const dual = (wx[k * items + i] ?? 0) - intercept;
      square += weight * dual;
      gradient[at] = l2 * weight + (residuals[i * classes + k] ?? 0);
      gradientDual[at] = l2 * dual + (xr[i * classes + k] ?? 0);
    }
    gradient[last] = gradientDual[last] = xr[items * classes + k] ?? 0;
  }
  return square;
}

function oneHot(labels: Int32Array, classes: number): Matrix {
  const data = new Float32Array(labels.length * classes);
  labels.forEach((label, i) => (data[i * classes + label] = 1));
  return { data, rows: labels.length, cols: classes };
}
