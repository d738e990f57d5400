import type { Evaluation, Objective } from "./lbfgs.ts";
import type { Matrix, MatrixEngine } from "./matrix-engine.ts";
import type { TopSubspace } from "./top-subspace.ts";

/** Of p (1 - p), summed over two classes: the bound of Böhning, Multinomial logistic regression algorithm (1992). */
export const MAX_CURVATURE = 0.5;

export interface LogisticProblem {
  /**
   * "features": x is X transposed [d, n], and coordinates are the weights [c, d].
   * "gram": x is K = X Xᵀ [n, n], and coordinates are A [c, n] with weights = A X (the representer theorem): an iteration
   * costs n² c instead of n d c. The metric is K, so the iterates are the same.
   * In both, c intercepts follow.
   */
  readonly kind: "features" | "gram";
  readonly x: Matrix;
  /** [n], each in 0 … classes - 1 */
  readonly labels: Int32Array;
  readonly classes: number;
  /** Factor of ½ ‖weights‖². */
  readonly l2: number;
}

/**
 * ½ l2 ‖W‖² + Σ_i -log softmax(W x_i + b)[label_i]: sum, not mean; the intercepts b are not penalised.
 * Curvature is the mean of p (1 - p) over items and classes.
 */
export function logisticObjective(
  engine: MatrixEngine,
  { kind, x, labels, classes, l2 }: LogisticProblem,
  subspace: TopSubspace,
): Objective<Evaluation> {
  const items = labels.length;
  const size = x.rows; // coordinates per class
  const bias = classes * size;
  const y: Matrix = { data: oneHot(labels, classes), rows: items, cols: classes };

  async function evaluate(point: Float32Array): Promise<Evaluation> {
    const output = await engine.run("logistic", {
      x,
      y,
      w: { data: point.subarray(0, bias), rows: classes, cols: size },
      bias: { data: point.subarray(bias), rows: 1, cols: classes },
    });
    const logProbabilities = output("logProbabilities");
    const residuals = output("residuals");
    const gradientDual = new Float32Array(point.length);
    gradientDual.set(output("xr"));
    let value = 0;
    let curvature = 0;
    const biasGradient = new Float64Array(classes);
    for (let i = 0; i < items; i++) {
      const at = i * classes;
      value -= logProbabilities[at + (labels[i] ?? 0)] ?? 0;
      for (let k = 0; k < classes; k++) {
        const residual = residuals[at + k] ?? 0;
        biasGradient[k] = (biasGradient[k] ?? 0) + residual;
        curvature += Math.abs(residual) * (1 - Math.abs(residual)); // |r| is p or 1 - p
      }
    }
    curvature /= items * classes;
    gradientDual.set(biasGradient, bias);
    if (kind === "features") {
      let squares = 0;
      for (let j = 0; j < bias; j++) {
        const weight = point[j] ?? 0;
        squares += weight * weight;
        gradientDual[j] = (gradientDual[j] ?? 0) + l2 * weight;
      }
      value += 0.5 * l2 * squares;
      return { point, pointDual: point, value, gradient: gradientDual, gradientDual, curvature };
    }
    const pointDual = point.slice();
    pointDual.set(output("wx"));
    const gradient = gradientDual.slice();
    let squares = 0;
    for (let k = 0; k < classes; k++) {
      for (let i = 0; i < items; i++) {
        const j = k * items + i;
        squares += (point[j] ?? 0) * (pointDual[j] ?? 0);
        gradient[j] = l2 * (point[j] ?? 0) + (residuals[i * classes + k] ?? 0);
        gradientDual[j] = (gradientDual[j] ?? 0) + l2 * (pointDual[j] ?? 0);
      }
    }
    value += 0.5 * l2 * squares;
    return { point, pointDual, value, gradient, gradientDual, curvature };
  }

  async function precondition(vectors: readonly Float32Array[], curvature: number): Promise<Float32Array[]> {
    const mu = curvature * subspace.rest + l2;
    const gain = Float32Array.from(subspace.values, (value) => 1 / (curvature * value + l2) - 1 / mu);
    const q = new Float32Array(vectors.length * bias);
    vectors.forEach((vector, i) => q.set(vector.subarray(0, bias), i * bias));
    const output = await engine.run("precondition", {
      q: { data: q, rows: vectors.length * classes, cols: size },
      image: subspace.image,
      basis: subspace.basis,
      gain: { data: gain, rows: 1, cols: gain.length },
      rest: { data: Float32Array.of(1 / mu), rows: 1, cols: 1 },
    });
    const r = output("r");
    const biasCurvature = Math.max(curvature * items, Number.MIN_VALUE);
    return vectors.map((vector, i) => {
      const out = new Float32Array(vector.length);
      out.set(r.subarray(i * bias, (i + 1) * bias));
      for (let j = bias; j < vector.length; j++) out[j] = (vector[j] ?? 0) / biasCurvature;
      return out;
    });
  }

  return { evaluate, precondition };
}

function oneHot(labels: Int32Array, classes: number): Float32Array {
  const out = new Float32Array(labels.length * classes);
  labels.forEach((label, i) => (out[i * classes + label] = 1));
  return out;
}
