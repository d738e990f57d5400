import { checkFinite, checkTrainingShape, type LabelledFeatures } from "./check-input.ts";
import type { ProblemKind } from "./logistic-graph.ts";
import { minimizeLogistic } from "./minimize-logistic.ts";
import { sharedMatrixEngine, type MatrixEngine, type Stack } from "./matrix-engine.ts";
import type { Standardizer } from "./standardize.ts";
import { newStack, partOf, stackOf } from "./stack.ts";
import { findTopSubspaces } from "./top-subspace.ts";

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

/** Training items of some models: the same items, but of each model its own features. */
export interface LabelledFeaturesOfModels extends Omit<LabelledFeatures, "train"> {
  /** Of each model, [n, dim] row-major. */
  readonly trains: readonly Float32Array[];
}

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
  const [trained] = await trainLinearTogether({ ...data, trains: [data.train] }, options);
  if (!trained) throw new Error("nothing was trained");
  return trained;
}

/** As `trainLinear` of each, to the same bits: few items take less time together, for a call takes longer than its work. */
export async function trainLinearTogether(
  data: LabelledFeaturesOfModels,
  options: TrainLinearOptions = {},
): Promise<TrainedLinear[]> {
  const { engine = sharedMatrixEngine(), signal, start, tolerance = 5e-7, maxIterations = 1000 } = options;
  const { trains, trainLabels, classes, dim } = data;
  for (const train of trains) checkTrainingShape({ train, trainLabels, classes, dim });
  const present = Array.from(new Set(trainLabels)).sort((a, b) => a - b);
  if (trains.length === 0 || present.length === 1) {
    for (const train of trains) checkFinite("training", train, dim);
    return trains.map(() => always(present, classes, dim));
  }

  const rows = trainLabels.length;
  const index = new Map(present.map((label, i) => [label, i]));
  const labels = trainLabels.map((label) => index.get(label) ?? 0);
  const l2 = present.length === 2 ? 2 : 1;
  const kind: ProblemKind = prefersDual(rows, dim, present.length) ? "gram" : "features";
  const { standardizers, x, standardized } = await standardizeAll(engine, { trains, rows, dim, kind });
  const subspaces = await findTopSubspaces(engine, x, {
    kind,
    energy: rows * dim, // every standardised feature has variance 1
    rank: Math.min(rows - 1, dim),
  });
  const problems = { kind, x, labels, classes: present.length, l2, subspaces };
  const first = newStack(trains.length, present.length, x.rows);
  if (start && kind === "features") {
    standardizers.forEach((standardizer, model) => {
      standardizedStart(start, standardizer, present, dim, partOf(first, model));
    });
  }
  const minima = await minimizeLogistic(engine, problems, first, { tolerance, maxIterations, signal });
  const points = minima.map(({ point }) => point);
  const weights = standardized
    ? await weightsOf(engine, points, present.length, standardized)
    : points.map((point) => withoutIntercepts(point, present.length, dim));
  return minima.map(({ point, value: objective, iterations, gradientNorm, converged }, model) => {
    const intercepts = present.map((_, k) => point[(k + 1) * x.rows - 1] ?? 0);
    const [own, standardizer] = [weights[model], standardizers[model]];
    if (!own || !standardizer) throw new Error(`model ${model} was not trained`);
    const folded = fold(own, intercepts, standardizer, { present, classes, dim });
    return { ...folded, iterations, gradientNorm, objective, converged };
  });
}

const none = (classes: number, dim: number): LinearClassifier => ({
  weights: new Float32Array(classes * dim),
  bias: new Float32Array(classes).fill(ABSENT_CLASS_BIAS),
});

/** Predicts the only class that there is. */
function always(present: readonly number[], classes: number, dim: number): TrainedLinear {
  const classifier = none(classes, dim);
  for (const label of present) classifier.bias[label] = 0;
  return { ...classifier, iterations: 0, gradientNorm: 0, objective: 0, converged: true };
}

interface StandardizedModels {
  readonly standardizers: readonly Standardizer[];
  /** As of `LogisticProblems`. */
  readonly x: Stack;
  /** [count, n, d], of Gram matrices only. */
  readonly standardized: Stack | null;
}

/** @throws FeatureError when a feature is not finite */
async function standardizeAll(
  engine: MatrixEngine,
  options: {
    readonly trains: readonly Float32Array[];
    readonly rows: number;
    readonly dim: number;
    readonly kind: ProblemKind;
  },
): Promise<StandardizedModels> {
  const { trains, rows, dim, kind } = options;
  const count = trains.length;
  const ones = { data: new Float32Array(rows).fill(1), rows: 1, cols: rows };
  const inputs = { x: stackOf(trains, rows, dim), ones };
  const output = await engine.run(kind === "gram" ? "standardizeGram" : "standardizeColumns", inputs);
  const [means, scales] = [output.doubles("mean"), output.doubles("scale")];
  const standardizers = trains.map((train, model) => {
    const part = (all: Float64Array): Float64Array => all.subarray(model * dim, (model + 1) * dim);
    const [mean, scale] = [part(means), part(scales)];
    // a value that is not finite leaves no finite sum
    if (!scale.every(Number.isFinite)) checkFinite("training", train, dim);
    return { mean, scale };
  });
  if (kind === "features") {
    const x = { data: output.floats("columns"), count, rows: dim + 1, cols: rows };
    return { standardizers, x, standardized: null };
  }
  const x = { data: output.floats("grams"), count, rows: rows + 1, cols: rows };
  return { standardizers, x, standardized: { data: output.floats("z"), count, rows, cols: dim } };
}

/** A X of dual coordinates A. */
async function weightsOf(
  engine: MatrixEngine,
  points: readonly Float32Array[],
  classes: number,
  standardized: Stack,
): Promise<Float32Array[]> {
  const { count, rows } = standardized;
  const coordinates = newStack(count, classes, rows);
  points.forEach((point, model) => partOf(coordinates, model).set(withoutIntercepts(point, classes, rows)));
  const weights = await engine.multiplyStacks(coordinates, standardized);
  return points.map((_, model) => partOf(weights, model));
}

/** [classes, size] of [classes, size + 1] */
function withoutIntercepts(point: Float32Array, classes: number, size: number): Float32Array {
  const out = new Float32Array(classes * size);
  for (let k = 0; k < classes; k++) out.set(point.subarray(k * (size + 1), k * (size + 1) + size), k * size);
  return out;
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
  intercepts: readonly number[],
  { mean, scale }: Standardizer,
  { present, classes, dim }: { readonly present: readonly number[]; readonly classes: number; readonly dim: number },
): LinearClassifier {
  const { weights, bias } = none(classes, dim);
  present.forEach((label, k) => {
    let shift = 0;
    for (let j = 0; j < dim; j++) {
      const weight = (standardized[k * dim + j] ?? 0) / (scale[j] ?? 1);
      weights[label * dim + j] = weight;
      shift += weight * (mean[j] ?? 0);
    }
    bias[label] = (intercepts[k] ?? 0) - shift;
  });
  return { weights, bias };
}

/** The inverse of `fold`, into `first` [present, dim + 1]. */
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
      first[k * (dim + 1) + j] = weight * (scale[j] ?? 1);
      shift += weight * (mean[j] ?? 0);
    }
    first[k * (dim + 1) + dim] = (bias[label] ?? 0) + shift;
  });
}
