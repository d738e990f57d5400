import { checkTraining, type LabelledFeatures } from "./check-input.ts";
import { minimize } from "./lbfgs.ts";
import { logisticObjective, MAX_CURVATURE, type LogisticProblem } from "./logistic-objective.ts";
import { sharedMatrixEngine, type Matrix, type MatrixEngine } from "./matrix-engine.ts";
import { fitStandardizer, standardize, standardizeTransposed, type Standardizer } from "./standardize.ts";
import { findTopSubspace } from "./top-subspace.ts";

/** Logits of an item are feature · weightsᵀ + bias, on RAW features: the standardisation is folded in. */
export interface LinearClassifier {
  /** [classes, dim] row-major */
  readonly weights: Float32Array;
  /** [classes] */
  readonly bias: Float32Array;
}

export interface TrainedLinear extends LinearClassifier {
  readonly iterations: number;
  /** Norm of the objective's gradient in the standardised weights and the intercepts. */
  readonly gradientNorm: number;
  /** The objective: ½ ‖W‖² + C Σ cross-entropy (nats, a sum over items), on standardised features. */
  readonly objective: number;
  /** False only if float32 rounding or `maxIterations` stopped it before `tolerance`. */
  readonly converged: boolean;
}

export interface TrainLinearOptions {
  readonly engine?: MatrixEngine;
  readonly signal?: AbortSignal | undefined;
  /**
   * A classifier on similar features, such as the one of the previous round: 0 to 20 % fewer iterations, the same result
   * within `tolerance`. Ignored for few items, where the problem is solved in the dual: weights have no coordinates there,
   * and approximate ones are a worse start than none (measured).
   */
  readonly start?: LinearClassifier;
  /**
   * Largest squared gradient norm, as a share of the objective. As the penalty makes the objective strongly convex with
   * modulus 1, the objective is then at most half this share above its optimum. Default 5e-7: class probabilities of new
   * items move by about 1e-3 at most (measured), and float32 gradients still reach it.
   */
  readonly tolerance?: number;
  /** Minimum 1, default 1000; 40 to 100 are usual. */
  readonly maxIterations?: number;
}

/** Bias of a class without a training item: its probability is 0. Finite, so that it survives every file format. */
export const ABSENT_CLASS_BIAS = -1e9;

/**
 * Multinomial logistic regression on standardised features, the optimum of scikit-learn's
 * `make_pipeline(StandardScaler(), LogisticRegression(C=1))`:
 *
 *     minimise ½ ‖W‖² + Σ_i -log softmax(W x_i + b)[label_i]
 *
 * The problem is convex and is solved to convergence, so the result depends on no seed. Two classes follow scikit-learn
 * too, which then fits a single logit z = w·x + b with ½ ‖w‖²; that is this problem with rows ∓w/2 and twice the
 * penalty. A class without an item in `trainLabels` gets weights 0 and `ABSENT_CLASS_BIAS`. With a single class in
 * `trainLabels` nothing is fitted: it is always predicted.
 */
export async function trainLinear(data: LabelledFeatures, options: TrainLinearOptions = {}): Promise<TrainedLinear> {
  const { engine = sharedMatrixEngine(), signal, start, tolerance = 5e-7, maxIterations = 1000 } = options;
  checkTraining(data);
  const { train, trainLabels, classes, dim } = data;
  const weights = new Float32Array(classes * dim);
  const bias = new Float32Array(classes).fill(ABSENT_CLASS_BIAS);
  const present = Array.from(new Set(trainLabels)).sort((a, b) => a - b);
  if (present.length === 1) {
    for (const label of present) bias[label] = 0;
    return { weights, bias, iterations: 0, gradientNorm: 0, objective: 0, converged: true };
  }

  const features: Matrix = { data: train, rows: trainLabels.length, cols: dim };
  const standardizer = fitStandardizer(features);
  const index = new Map(present.map((label, i) => [label, i]));
  const labels = trainLabels.map((label) => index.get(label) ?? 0);
  const shape = { labels, classes: present.length, l2: present.length === 2 ? 2 : 1 };
  const dual = prefersDual(features.rows, dim, present.length);
  const rowMajor = dual ? standardize(features, standardizer) : undefined;
  const problem: LogisticProblem = rowMajor
    ? { kind: "gram", x: await engine.multiply(rowMajor, rowMajor, { transposeB: true }), ...shape }
    : { kind: "features", x: standardizeTransposed(features, standardizer), ...shape };
  const subspace = await findTopSubspace(engine, problem.x, {
    kind: problem.kind,
    energy: features.rows * dim, // every standardised feature has variance 1
    rank: Math.min(features.rows - 1, dim),
  });
  const objective = logisticObjective(engine, problem, subspace);
  const first = new Float32Array(present.length * (problem.x.rows + 1));
  if (start && !dual) standardizedStart(start, standardizer, present, dim, first);
  const minimum = await minimize(objective, first, { maxCurvature: MAX_CURVATURE, tolerance, maxIterations, signal });

  const size = present.length * problem.x.rows;
  const point = minimum.at.point;
  const coordinates: Matrix = { data: point.subarray(0, size), rows: present.length, cols: problem.x.rows };
  const standardized = rowMajor ? await engine.multiply(coordinates, rowMajor) : coordinates;
  fold(standardized.data, point.subarray(size), standardizer, present, { weights, bias });
  const { iterations, gradientNorm, converged } = minimum;
  return { weights, bias, iterations, gradientNorm, objective: minimum.at.value, converged };
}

/**
 * Whether the Gram matrix pays: 2 n² d operations once, at about four times the speed of the thin products, then n² c
 * instead of n d c in each of about 60 iterations.
 */
function prefersDual(items: number, dim: number, classes: number): boolean {
  return (items * dim) / 2 + 240 * items * classes < 240 * dim * classes;
}

/** Standardised weights into raw ones: w_raw = w / scale, b_raw = b - Σ w_raw mean. */
function fold(
  standardized: Float32Array,
  intercepts: Float32Array,
  { mean, scale }: Standardizer,
  present: readonly number[],
  { weights, bias }: LinearClassifier,
): void {
  const dim = mean.length;
  present.forEach((label, k) => {
    let shift = 0;
    for (let j = 0; j < dim; j++) {
      const weight = (standardized[k * dim + j] ?? 0) / (scale[j] ?? 1);
      weights[label * dim + j] = weight;
      shift += weight * (mean[j] ?? 0);
    }
    bias[label] = (intercepts[k] ?? 0) - shift;
  });
}

/** The inverse of `fold`, into `first` = weights then intercepts. */
function standardizedStart(
  { weights, bias }: LinearClassifier,
  { mean, scale }: Standardizer,
  present: readonly number[],
  dim: number,
  first: Float32Array,
): void {
  present.forEach((label, k) => {
    if (bias[label] === ABSENT_CLASS_BIAS) return;
    let shift = 0;
    for (let j = 0; j < dim; j++) {
      const weight = weights[label * dim + j] ?? 0;
      first[k * dim + j] = weight * (scale[j] ?? 1);
      shift += weight * (mean[j] ?? 0);
    }
    first[present.length * dim + k] = (bias[label] ?? 0) + shift;
  });
}
