import type { OnnxElementType, OnnxGraph, OnnxModel, OnnxValueInfo } from "../../crawler/export/onnx-model.ts";
import { graphOf, GraphWriter, type Shapes } from "./graph-writer.ts";
import { constantsOf, dot, evaluateLogistic, type LogisticConstants, type ProblemKind } from "./logistic-graph.ts";

/** What is known of the way to a problem's minimum, in the order of the rows of `progress` [s, 10, 1]. */
export const PROGRESS = [
  /** 1 until the minimum is found, or nothing better is in this direction. */
  "isActive",
  /** Points that were gone to; where it began counts too. */
  "points",
  /** How much of the direction the next trial point is from the point. */
  "length",
  /** Value at the point, slope along the direction, and squared norm of the gradient. */
  "value",
  "slope",
  "squared",
  /** The curvature that the preconditioner assumes at least. */
  "damping",
  /** Smallest value so far, and smallest squared norm. */
  "lowest",
  "flattest",
  /** Trial points in a row that brought neither a smaller gradient nor a smaller value. */
  "stalled",
] as const;
export type ProgressName = (typeof PROGRESS)[number];
type Progress = Record<ProgressName, string>;

/** What is left of the direction where a line search is given up; the first trial point is nearly always taken. */
const LEAST_LENGTH = 1e-6;
/** Trial points with neither a smaller gradient nor a smaller value after which float32 rounding is taken as the limit. */
export const MAX_STALLED = 20;
/** Relative error of a float32 value of the objective; smaller increases mean nothing. */
const VALUE_NOISE = 1e-6;
/** Factors of the damping after a first trial point was taken, and after one was refused. */
const RELAX = 0.5;
const TIGHTEN = 4;
/** Of p (1 - p), summed over two classes: the bound of Böhning, Multinomial logistic regression algorithm (1992). */
export const MAX_CURVATURE = 0.5;
/** The preconditioner is there for curvatures of `MAX_CURVATURE` divided by powers of this; the nearest one is taken. */
export const CURVATURE_RATIO = 3;
export const CURVATURES = 8;

/** What a trip of the loop hands to the next, beside `progress`. */
export const vectorsOf = (kind: ProblemKind): string[] =>
  kind === "gram" ? ["point", "gradient", "dual", "direction"] : ["point", "gradient", "direction"];

/**
 * Minimises s logistic problems of one shape (`logistic-graph.ts`), by preconditioned L-BFGS (Nocedal & Wright, Numerical
 * Optimization, algorithm 7.4) with a memory of one step: with the preconditioner and damping, one of four saves a tenth of
 * the iterations at most (measured), and costs more than it saves. Each trip of the loop looks at one point of each problem;
 * each goes its own way, to the same bits as alone. In one graph, since a call of onnxruntime takes longer than most of what
 * a trip does, and since nothing of it is compiled while it runs.
 *
 * A full step from the start can land where the curvature is a thousand times smaller and every further step is then far
 * too long; so the preconditioner is damped as in Levenberg and Marquardt's method: the curvature that it assumes starts at
 * the largest possible one, and halves with every step that goes well.
 *
 * Inputs beside those of the problems: of the preconditioner (`top-subspace.ts`), `basis` and `image`, and for each of
 * `CURVATURES`, from the largest, `factors` (inverse Cholesky factors of the products), `drops` and `rests`; `firsts`, where
 * each problem's begin; `tolerance` of the squared gradient as a share of the value, and `trips` of a call: what comes out goes
 * in again until nothing is active. A `direction` and a `slope` of 0 make the first one the preconditioned gradient alone.
 */
export function minimizeGraph(kind: ProblemKind): OnnxModel {
  const state: Shapes = {
    ...Object.fromEntries(vectorsOf(kind).map((name) => [name, ["s", "c", "p"]])),
    progress: ["s", "progress", "one"],
  };
  const names = Object.keys(state);
  const inputs: Shapes = {
    ...{ x: ["s", "p", "n"], y: ["c", "n"], penalties: ["one", "p"] },
    ...{ image: ["s", "p", "k"], basis: ["s", "k", "p"] },
    ...{ factors: ["sm", "k", "k"], drops: ["sm", "one", "one"], rests: ["sm", "one", "p"] },
    firsts: ["s", "one", "one"],
    ...{ tolerance: ["one", "one"], trips: ["one", "one"] },
    ...state,
  };
  const g = new GraphWriter("outer/");
  const identity = g.op("EyeLike", [g.op("Squeeze", [g.slice("factors", 0, 0, 1), g.ints([0])])], { dtype: 1 });
  const scaled = g.sub(g.matMul("factors", "factors", { transA: 1 }), g.mul(identity, "drops"));
  const limit = g.op("Squeeze", [g.cast("trips", "int64")]);
  const graph = tripGraph(kind, { scaled, constants: constantsOf(g, kind), state });
  g.nodes.push({
    opType: "Loop",
    name: "loop",
    inputs: [limit, "", ...names],
    outputs: names.map((name) => `${name}/out`),
    attributes: { body: { graph } },
  });
  const outputs = Object.fromEntries(Object.entries(state).map(([name, dims]) => [`${name}/out`, dims]));
  return graphOf(`minimize ${kind}`, inputs, outputs, g.nodes);
}

interface Outside {
  /** What gradients along the basis are multiplied by, for each curvature. */
  readonly scaled: string;
  readonly constants: LogisticConstants;
  readonly state: Shapes;
}

/**
 * One trip: looks at the next trial point. If that is good enough, a line search begins there. Nothing of a problem that is
 * not active changes, however many trips the others take.
 */
function tripGraph(kind: ProblemKind, { scaled, constants, state }: Outside): OnnxGraph {
  const g = new GraphWriter("trip/");
  const parts = g.split("progress/in", PROGRESS.length, 1);
  const was = Object.fromEntries(PROGRESS.map((name, index) => [name, parts[index]])) as Progress;
  const trial = g.add("point/in", g.mul(was.length, "direction/in"));
  const there = evaluateLogistic(g, trial, constants);
  const slopeThere = dot(g, there.dual, "direction/in", constants);
  const isTaken = g.and(g.less(0.5, was.isActive), isLowEnough(g, was, there.value, slopeThere));
  const both = (taken: string, not: string): string => g.where(isTaken, taken, not);

  // how far the problem is there
  const squared = dot(g, there.gradient, there.dual, constants);
  const isLower = g.less(there.value, g.mul(was.lowest, 1 - VALUE_NOISE));
  const isBetter = g.or(isLower, g.less(squared, was.flattest));
  const stalled = g.where(isBetter, 0, g.add(was.stalled, was.isActive));
  const isFar = g.and(g.less(g.mul("tolerance", there.value), squared), g.less(stalled, MAX_STALLED));

  // where to go from there
  const factor = g.where(g.less(was.length, 1), TIGHTEN, RELAX);
  const damping = g.max(there.curvature, g.min(MAX_CURVATURE, g.mul(was.damping, factor)));
  const change = g.sub(there.gradient, "gradient/in");
  const changeDual = kind === "gram" ? g.sub(there.dual, "dual/in") : change;
  const [pg = "", py = ""] = precondition(g, there.gradient, change, damping, scaled);
  const bend = g.sub(slopeThere, was.slope);
  const step = { pg, py, changeDual, length: was.length, slopeThere, bend, isTaken, constants };
  const direction = directionOf(g, step);
  const slope = dot(g, there.dual, direction, constants);

  // or along the last direction; a convex function's slope is about linear
  const secant = g.div(was.slope, g.sub(was.slope, slopeThere));
  const shorter = g.mul(was.length, g.max(0.1, g.min(0.8, secant)));
  // where not even the direction leads down, rounding is the limit
  const length = both(g.cast(g.less(slope, 0), "float"), shorter);
  const isUnderWay = g.and(g.less(LEAST_LENGTH, length), g.or(isFar, g.not(isTaken)));
  const isActive = g.mul(was.isActive, g.cast(isUnderWay, "float"));
  const progress: Progress = {
    isActive,
    points: g.add(was.points, g.cast(isTaken, "float")),
    length: g.mul(length, isActive),
    value: both(there.value, was.value),
    slope: both(slope, was.slope),
    squared: both(squared, was.squared),
    damping: both(damping, was.damping),
    lowest: g.where(isLower, there.value, was.lowest),
    ...{ flattest: g.min(was.flattest, squared), stalled },
  };
  const rows = PROGRESS.map((name) => progress[name]);
  const found = {
    point: both(trial, "point/in"),
    gradient: both(there.gradient, "gradient/in"),
    dual: kind === "gram" ? both(there.dual, "dual/in") : "",
    ...{ direction, progress: g.concat(rows, 1) },
  };
  const goOn = g.less(0.5, g.op("ReduceMax", [isActive], { keepdims: 0 }));
  return bodyOf(g, state, goOn, found);
}

function bodyOf(g: GraphWriter, state: Shapes, goOn: string, found: Readonly<Record<string, string>>): OnnxGraph {
  const value = (name: string, type: OnnxElementType, dims: readonly string[]): OnnxValueInfo => ({ name, type, dims });
  const all = Object.entries(state);
  const names = new Map(all.map(([name]) => [found[name] ?? "", `${name}/next`]));
  return {
    graphName: "trip",
    inputs: [
      ...[value("trip", "int64", []), value("go", "bool", [])],
      ...all.map(([name, dims]) => value(`${name}/in`, "float", dims)),
    ],
    outputs: [value(goOn, "bool", []), ...all.map(([name, dims]) => value(`${name}/next`, "float", dims))],
    nodes: g.rename(names),
  };
}

/**
 * Whether a trial point lies lower (Armijo's condition) or still descends: a convex function only falls on the way to where
 * its slope is negative. Near the minimum that decides, as slopes in float32 are good to several digits more than
 * differences of values.
 */
function isLowEnough(g: GraphWriter, was: Progress, valueThere: string, slopeThere: string): string {
  const allowed = g.add(g.mul(was.value, 1 + VALUE_NOISE), g.mul(g.mul(was.length, was.slope), 1e-4));
  const isLow = g.and(g.atMost(valueThere, allowed), g.less(slopeThere, g.neg(was.slope)));
  return g.or(g.atMost(slopeThere, 0), isLow);
}

/**
 * About the inverse Hessian at that curvature, times gradients and times their changes: rest q + ((q · image) scaled) basis.
 */
function precondition(g: GraphWriter, gradient: string, change: string, curvature: string, scaled: string): string[] {
  const steps = g.mul(g.op("Log", [g.div(MAX_CURVATURE, curvature)]), 1 / Math.log(CURVATURE_RATIO));
  const nearest = g.op("Round", [g.where(g.less(0, steps), g.min(steps, CURVATURES - 1), 0)]);
  const index = g.cast(g.op("Squeeze", [g.add(nearest, "firsts"), g.ints([1, 2])]), "int64");
  const q = g.concat([gradient, change], 1);
  const inside = g.matMul(g.matMul(q, "image"), g.op("Gather", [scaled, index]));
  const all = g.add(g.matMul(inside, "basis"), g.mul(q, g.op("Gather", ["rests", index])));
  return g.split(all, 2, 1);
}

interface Step {
  /** The preconditioner times the gradient, and times its change. */
  readonly pg: string;
  readonly py: string;
  readonly changeDual: string;
  /** How much of the last direction was gone, the slope along it where that ended, and how much it had grown. */
  readonly length: string;
  readonly slopeThere: string;
  readonly bend: string;
  /** Whether there is to be a new direction; if not, the last one stays. */
  readonly isTaken: string;
  readonly constants: LogisticConstants;
}

/**
 * With P for the preconditioner, g for the gradient and y for its last change, the two loops of algorithm 7.4 come to
 * -gamma (P g + alpha P y) + (alpha - beta) times the last step. The step is a multiple of its direction, so the products
 * that they need are slopes, which the line search knows. A step along which the slope did not grow is of no use.
 */
function directionOf(
  g: GraphWriter,
  { pg, py, changeDual, length, slopeThere, bend, isTaken, constants }: Step,
): string {
  const [gy, yy] = [dot(g, pg, changeDual, constants), dot(g, py, changeDual, constants)];
  const alpha = g.neg(g.div(slopeThere, bend));
  const long = g.mul(length, bend);
  // the preconditioner's size is corrected by the last step, as gamma is in plain L-BFGS; negative, for it goes down
  const down = g.where(g.less(0, yy), g.div(long, g.neg(yy)), -1);
  const beta = g.div(g.mul(down, g.add(gy, g.mul(alpha, yy))), long);
  const isOfUse = g.less(0, bend);
  const chosen = (value: string, plain: number, stays: number): string =>
    g.where(isTaken, g.where(isOfUse, value, plain), stays);
  return g.op("Sum", [
    g.mul("direction/in", chosen(g.mul(g.sub(alpha, beta), length), 0, 1)),
    g.mul(pg, chosen(down, -1, 0)),
    g.mul(py, chosen(g.mul(down, alpha), 0, 0)),
  ]);
}
