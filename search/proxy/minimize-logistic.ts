import { shiftedInverseFactor } from "./cholesky.ts";
import type { ProblemKind } from "./logistic-graph.ts";
import type { Matrix, MatrixEngine, Outputs, Stack } from "./matrix-engine.ts";
import {
  CURVATURE_RATIO,
  CURVATURES,
  MAX_CURVATURE,
  MAX_STALLED,
  PROGRESS,
  vectorsOf,
  type ProgressName,
} from "./minimize-graph.ts";
import { newStack, partOf } from "./stack.ts";
import type { TopSubspaces } from "./top-subspace.ts";

/** Problems of one shape with the same labels, as `logistic-graph.ts` has them. */
export interface LogisticProblems {
  readonly kind: ProblemKind;
  readonly x: Stack;
  /** [n], each in 0 … classes - 1 */
  readonly labels: Int32Array;
  readonly classes: number;
  /** Factor of ½ ‖weights‖². */
  readonly l2: number;
  readonly subspaces: TopSubspaces;
}

export interface MinimizeOptions {
  /** A problem is at its minimum where the squared norm of its gradient is at most this times its value. */
  readonly tolerance: number;
  readonly maxIterations: number;
  readonly signal?: AbortSignal | undefined;
  /** Multiplications of a call of onnxruntime; in between, others get their turn. Default: about a tenth of a second. */
  readonly productsPerCall?: number;
}

export interface Minimum {
  readonly point: Float32Array;
  readonly value: number;
  readonly iterations: number;
  readonly gradientNorm: number;
  readonly converged: boolean;
}

const PRODUCTS_PER_CALL = 2e9;

/**
 * The minimum of each problem; those of one problem don't change the others'.
 * @param start the coordinates of each, [classes, p]
 */
export async function minimizeLogistic(
  engine: MatrixEngine,
  problems: LogisticProblems,
  start: Stack,
  { tolerance, maxIterations, signal, productsPerCall = PRODUCTS_PER_CALL }: MinimizeOptions,
): Promise<Minimum[]> {
  const { kind, x, labels, classes } = problems;
  const { count, rows: p, cols: n } = x;
  const graph = kind === "gram" ? "minimizeGram" : "minimizeFeatures";
  const zeros = newStack(count, classes, p);
  const tripsPerCall = Math.ceil(productsPerCall / (2 * count * n * p * classes));
  const inputs = {
    ...{ x, y: oneHot(labels, classes), penalties: penaltiesOf(problems), tolerance: scalar(tolerance) },
    ...preconditionerOf(problems),
  };
  const models = Array.from({ length: count }, (_, model) => model);
  /** Points that each had gone to when its direction began anew. */
  const begun = new Float64Array(count);
  let state: State = {
    ...Object.fromEntries(vectorsOf(kind).map((name) => [name, zeros])),
    ...{ point: start, direction: zeros, progress: firstProgress(count) },
  };
  for (;;) {
    signal?.throwIfAborted();
    const left = models.filter((model) => read(state, model, "isActive") > 0);
    if (left.length === 0) break;
    const pointsLeft = left.map((model) => maxIterations + 1 - read(state, model, "points"));
    const trips = scalar(Math.min(tripsPerCall, ...pointsLeft));
    state = stateOf(state, await engine.run(graph, { ...inputs, ...state, trips }));
    for (const model of left) {
      const points = read(state, model, "points");
      if (points > maxIterations) write(state, model, { isActive: 0 });
      else if (isStuck(state, model, tolerance) && points > (begun[model] ?? 0) + 1) {
        // the last direction was bent by rounding; the preconditioned gradient alone may still lead down
        partOf(state.direction, model).fill(0);
        write(state, model, { isActive: 1, length: 0, slope: 0 });
        begun[model] = points;
      }
    }
  }
  return models.map((model) => {
    const [value, squared] = [read(state, model, "value"), read(state, model, "squared")];
    if (!Number.isFinite(value + squared)) throw new Error(`problem ${model} has no finite minimum`);
    return {
      ...{ point: partOf(state.point, model), value, iterations: read(state, model, "points") - 1 },
      gradientNorm: Math.sqrt(Math.max(0, squared)),
      converged: squared <= tolerance * value,
    };
  });
}

/** What a call hands to the next. */
type State = Readonly<Record<"point" | "direction" | "progress", Stack>> & Readonly<Record<string, Stack>>;

const read = ({ progress }: State, model: number, name: ProgressName): number =>
  partOf(progress, model)[PROGRESS.indexOf(name)] ?? NaN;

function write({ progress }: State, model: number, values: Partial<Record<ProgressName, number>>): void {
  PROGRESS.forEach((name, row) => {
    const value = values[name];
    if (value !== undefined) partOf(progress, model)[row] = value;
  });
}

/** Whether a problem has ended before its minimum, though something got better lately. */
const isStuck = (state: State, model: number, tolerance: number): boolean =>
  read(state, model, "isActive") === 0 &&
  read(state, model, "squared") > tolerance * read(state, model, "value") &&
  read(state, model, "stalled") < MAX_STALLED;

const scalar = (value: number): Matrix => ({ data: Float32Array.of(value), rows: 1, cols: 1 });

/** The state that has come out of a call, for the next one. */
function stateOf(state: State, outputs: Outputs): State {
  const all = Object.entries(state).map(([name, stack]) => [name, { ...stack, data: outputs.floats(`${name}/out`) }]);
  return { ...state, ...(Object.fromEntries(all) as Record<string, Stack>) };
}

/** Before the first point was looked at. */
function firstProgress(count: number): Stack {
  const first: Record<ProgressName, number> = {
    ...{ isActive: 1, points: 0, length: 0, value: NaN, slope: 0, squared: NaN },
    ...{ damping: MAX_CURVATURE, lowest: Infinity, flattest: Infinity, stalled: 0 },
  };
  const progress = newStack(count, PROGRESS.length, 1);
  for (let model = 0; model < count; model++) partOf(progress, model).set(PROGRESS.map((name) => first[name]));
  return progress;
}

function penaltiesOf({ x, l2 }: LogisticProblems): Matrix {
  const data = new Float32Array(x.rows).fill(l2);
  data[x.rows - 1] = 0;
  return { data, rows: 1, cols: x.rows };
}

/** One-hot labels, [classes, n]. */
function oneHot(labels: Int32Array, classes: number): Matrix {
  const data = new Float32Array(classes * labels.length);
  labels.forEach((label, i) => (data[label * labels.length + i] = 1));
  return { data, rows: classes, cols: labels.length };
}

/** The inputs of the graph that make the preconditioner, for each problem and each curvature that it may assume. */
function preconditionerOf({ x, labels, l2, subspaces }: LogisticProblems): Record<string, Matrix> {
  const { basis, image, products, rest } = subspaces;
  const [{ count, rows: p }, k] = [x, basis.rows];
  const factors = newStack(count * CURVATURES, k, k);
  const drops = newStack(count * CURVATURES, 1, 1);
  const rests = newStack(count * CURVATURES, 1, p);
  const firsts = newStack(count, 1, 1);
  for (let model = 0; model < count; model++) {
    const first = (firsts.data[model] = model * CURVATURES);
    for (let step = 0; step < CURVATURES; step++) {
      const curvature = MAX_CURVATURE / CURVATURE_RATIO ** step;
      partOf(factors, first + step).set(shiftedInverseFactor(partOf(products, model), k, curvature, l2));
      const inverse = 1 / (curvature * (rest[model] ?? 0) + l2);
      drops.data[first + step] = inverse;
      partOf(rests, first + step).fill(inverse)[p - 1] = 1 / (curvature * labels.length);
    }
  }
  return { basis, image, factors, drops, rests, firsts };
}
