import type { Matrix } from "./matrix-engine.ts";
import { addScaled, combine, dot, rowDots, subtract } from "./vector.ts";

/**
 * A point for each of some functions, and what they are there: row i of a matrix, and value i of an array, belong to
 * function i. Rows are coordinates; those of `gradientDuals` are the metric times them, so the inner product of a vector and
 * a gradient is that of the vector and the gradient's dual. Where the metric is the identity, both are the same matrix.
 */
export interface Site {
  /** To be written before `evaluate`. */
  readonly points: Matrix;
  readonly values: Float64Array;
  readonly gradients: Matrix;
  readonly gradientDuals: Matrix;
  /** Mean curvature of the part of a function that is not quadratic, as `precondition` takes it. */
  readonly curvatures: Float64Array;
  /** Writes all but the points. */
  evaluate(): Promise<void>;
}

/** Smooth, strictly convex functions that are evaluated together; what one of them is, the others don't change. */
export interface Objectives {
  /** How many functions there are. */
  readonly count: number;
  /** Coordinates of a point. */
  readonly size: number;
  openSite(): Promise<Site>;
  /**
   * About the inverse Hessian where those mean curvatures hold, times each gradient of a site, and times each row of
   * `changes`; symmetric, positive in the metric. Both are overwritten by the next call.
   */
  precondition(site: Site, changes: Matrix, curvatures: Float64Array): Promise<readonly [Matrix, Matrix]>;
}

export interface MinimizeOptions {
  /** The largest curvature that there can be. */
  readonly maxCurvature: number;
  /** A function is at its minimum where the squared norm of its gradient is at most this times its value. */
  readonly tolerance: number;
  readonly maxIterations: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Minimum {
  readonly point: Float32Array;
  readonly value: number;
  readonly iterations: number;
  readonly gradientNorm: number;
  readonly converged: boolean;
}

/** The last step of a function: `length` times its direction. */
interface LastStep {
  readonly length: number;
  /** Inner product of the direction with the gradient, before the step and behind it. */
  readonly slope: number;
  readonly slopeThere: number;
}

/** One that a line search has found. */
interface FoundStep extends LastStep {
  /** Points that were tried for it. */
  readonly trials: number;
}

/** How far one function is. */
interface Progress {
  isActive: boolean;
  iterations: number;
  /** Iterations in a row that brought neither a smaller gradient nor a smaller value. */
  stalled: number;
  damping: number;
  last: LastStep | null;
  lowest: number;
  best: { value: number; squared: number; /** null: the point where it is. */ point: Float32Array | null };
}

/** Trial points per line search; the first one is nearly always taken. */
const MAX_TRIALS = 12;
/** Iterations with neither a smaller gradient nor a smaller value after which float32 rounding is taken as the limit. */
const MAX_STALLED = 20;

/** Relative error of a float32 value of the objective; smaller increases mean nothing. */
const VALUE_NOISE = 1e-6;
/** Factors of the damping after a first trial point was taken, and after one was refused. */
const RELAX = 0.5;
const TIGHTEN = 4;

/**
 * Preconditioned L-BFGS (Nocedal & Wright, Numerical Optimization, algorithm 7.4) with a memory of one step: with the
 * preconditioner and damping, one of four saves a tenth of the iterations at most (measured), and costs more than it saves.
 * Functions go in step, so that what all of them need is one call; each goes its own way, to the same bits as alone.
 *
 * A full step from the start can land where the curvature is a thousand times smaller and every further step is then far
 * too long; so the preconditioner is damped as in Levenberg and Marquardt's method: the curvature that it assumes starts at
 * the largest possible one, and halves with every step that goes well.
 *
 * @param start a row for each function
 */
export async function minimize(objectives: Objectives, start: Matrix, options: MinimizeOptions): Promise<Minimum[]> {
  const { maxCurvature, tolerance, signal } = options;
  const { count, size } = objectives;
  const matrix = (): Matrix => ({ data: new Float32Array(count * size), rows: count, cols: size });
  const [directions, changes] = [matrix(), matrix()];
  let [at, next] = [await objectives.openSite(), await objectives.openSite()];
  at.points.data.set(start.data);
  await at.evaluate();
  const all = beginAll(at, options);
  while (all.some(({ isActive }) => isActive)) {
    signal?.throwIfAborted();
    all.forEach((one, row) => (one.damping = Math.max(at.curvatures[row] ?? 0, one.damping)));
    await findDirections(objectives, { at, before: next, changes, directions, all });
    const steps = await searchLines(at, next, directions, all);
    const squares = rowDots(next.gradients, next.gradientDuals);
    all.forEach((one, row) => {
      const step = steps[row];
      // not even the preconditioned gradient leads down: rounding is the limit
      if (!step) one.isActive &&= one.last !== null;
      else {
        one.iterations++;
        one.damping = Math.min(maxCurvature, one.damping * (step.trials === 1 ? RELAX : TIGHTEN));
        noteProgress(one, at.points, row, next.values[row] ?? 0, squares[row] ?? 0);
        one.isActive = goesOn(one, next.values[row] ?? 0, squares[row] ?? 0, options);
      }
      one.last = step && step.slopeThere > step.slope ? step : null;
    });
    [at, next] = [next, at];
  }
  return all.map(({ iterations, best: { point, value, squared } }, row) => ({
    ...{ point: point ?? rowOf(at.points, row), value, iterations },
    gradientNorm: Math.sqrt(squared),
    converged: squared <= tolerance * value,
  }));
}

const rowOf = ({ data, cols }: Matrix, row: number): Float32Array => data.slice(row * cols, (row + 1) * cols);

const goesOn = (
  { iterations, stalled }: Progress,
  value: number,
  squared: number,
  { tolerance, maxIterations }: MinimizeOptions,
): boolean => squared > tolerance * value && iterations < maxIterations && stalled < MAX_STALLED;

function beginAll({ values, gradients, gradientDuals }: Site, options: MinimizeOptions): Progress[] {
  return Array.from(rowDots(gradients, gradientDuals), (product, row) => {
    const [value, squared] = [values[row] ?? 0, Math.max(0, product)];
    const best = { value, squared, point: null };
    const damping = options.maxCurvature;
    const one = { isActive: true, iterations: 0, stalled: 0, damping, last: null, lowest: value, best };
    return { ...one, isActive: goesOn(one, value, squared, options) };
  });
}

/** @param before the points that this one comes from */
function noteProgress(one: Progress, before: Matrix, row: number, value: number, product: number): void {
  const squared = Math.max(0, product);
  const isLower = value < one.lowest * (1 - VALUE_NOISE);
  if (isLower) one.lowest = value;
  if (isLower || squared < one.best.squared) {
    one.best = { value, squared, point: null };
    one.stalled = 0;
  } else {
    one.best.point ??= rowOf(before, row);
    one.stalled++;
  }
}

interface DirectionOptions {
  readonly at: Site;
  /** Where the last steps came from. */
  readonly before: Site;
  /** Is overwritten. */
  readonly changes: Matrix;
  /** Those of the last steps, which become the next. */
  readonly directions: Matrix;
  readonly all: readonly Progress[];
}

/**
 * With P for the preconditioner, g for the gradient and y for its last change, the two loops of algorithm 7.4 come to
 * -gamma (P g + alpha P y) + (alpha - beta) times the last step. The step is a multiple of its direction, so the products
 * that they need are slopes, which the line search knows.
 */
async function findDirections(
  objectives: Objectives,
  { at, before, changes, directions, all }: DirectionOptions,
): Promise<void> {
  const dampings = Float64Array.from(all, ({ damping }) => damping);
  subtract(changes.data, at.gradients.data, before.gradients.data);
  const [pg, py] = await objectives.precondition(at, changes, dampings);
  const size = directions.cols;
  all.forEach(({ last }, row) => {
    const from = row * size;
    if (!last) return combine(directions.data, 0, pg.data, -1, py.data, 0, from, size);
    // the inner products of the gradient's change with P g and P y
    const product = (p: Matrix): number =>
      dot(p.data, at.gradientDuals.data, from, size) - dot(p.data, before.gradientDuals.data, from, size);
    const [gy, yy] = [product(pg), product(py)];
    const bend = last.slopeThere - last.slope;
    const alpha = -last.slopeThere / bend;
    // the preconditioner's size is corrected by the last step, as gamma is in plain L-BFGS
    const gamma = yy > 0 ? (last.length * bend) / yy : 1;
    const beta = (-gamma * (gy + alpha * yy)) / (last.length * bend);
    combine(directions.data, (alpha - beta) * last.length, pg.data, -gamma, py.data, -gamma * alpha, from, size);
  });
}

/**
 * For each function that is active, the first trial point that lies lower (Armijo's condition) or still descends: a convex
 * function only falls on the way to where its slope is negative. Near the minimum that decides, as slopes in float32 are
 * good to several digits more than differences of values.
 * @param next gets the points found; where there is none, the old one
 */
async function searchLines(
  at: Site,
  next: Site,
  directions: Matrix,
  all: readonly Progress[],
): Promise<(FoundStep | null)[]> {
  const slopes = rowDots(at.gradientDuals, directions);
  const open = new Set(Array.from(slopes.keys()).filter((row) => all[row]?.isActive && (slopes[row] ?? 0) < 0));
  const lengths = slopes.map((_, row) => (open.has(row) ? 1 : 0));
  const found: (FoundStep | null)[] = all.map(() => null);
  const { rows, cols } = directions;
  for (let trials = 1; ; trials++) {
    for (let row = 0; row < rows; row++) {
      addScaled(next.points.data, at.points.data, lengths[row] ?? 0, directions.data, row * cols, cols);
    }
    await next.evaluate();
    const slopesThere = rowDots(next.gradientDuals, directions);
    let isDone = true;
    for (const row of open) {
      const [slope, slopeThere, length] = [slopes[row] ?? 0, slopesThere[row] ?? 0, lengths[row] ?? 0];
      const value = at.values[row] ?? 0;
      const highest = value + 1e-4 * length * slope + VALUE_NOISE * value;
      if (slopeThere <= 0 || ((next.values[row] ?? 0) <= highest && slopeThere < -slope)) {
        found[row] = { length, slope, slopeThere, trials };
        open.delete(row);
        continue;
      }
      isDone = false;
      const secant = slope / (slope - slopeThere);
      lengths[row] = length * (Number.isFinite(secant) ? Math.min(0.8, Math.max(0.1, secant)) : 0.1);
      if (trials < MAX_TRIALS) continue;
      lengths[row] = 0;
      open.delete(row);
    }
    if (isDone) return found;
  }
}
