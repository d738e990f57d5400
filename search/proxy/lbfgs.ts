import { addScaled, dot, subtract } from "./vector.ts";

/**
 * A point and what the objective is there. Vectors are coordinates; their `Dual`s are the metric times them, so the inner
 * product of u and v is dot(u, vDual). Where the metric is the identity, both are the same array.
 */
export interface Evaluation {
  readonly point: Float32Array;
  readonly pointDual: Float32Array;
  readonly value: number;
  readonly gradient: Float32Array;
  readonly gradientDual: Float32Array;
  /** Mean curvature of the part of the function that is not quadratic, as `precondition` takes it. */
  readonly curvature: number;
}

/** A smooth, strictly convex function. */
export interface Objective<E extends Evaluation = Evaluation> {
  evaluate(point: Float32Array): Promise<E>;
  /** About the inverse Hessian where that mean curvature holds, times each vector; symmetric, positive in the metric. */
  precondition(vectors: readonly Float32Array[], curvature: number): Promise<Float32Array[]>;
}

export interface MinimizeOptions {
  /** The largest curvature that there can be. */
  readonly maxCurvature: number;
  /** Stops when the squared norm of the gradient is at most this times the value. */
  readonly tolerance: number;
  readonly maxIterations: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Minimum<E extends Evaluation> {
  readonly at: E;
  readonly iterations: number;
  readonly gradientNorm: number;
  readonly converged: boolean;
}

interface Pair {
  readonly step: Float32Array;
  readonly stepDual: Float32Array;
  readonly change: Float32Array;
  readonly changeDual: Float32Array;
  /** 1 / inner product of step and change */
  readonly rho: number;
}

/** Pairs that are remembered; with the preconditioner and damping, 8 save no more than 5 % of the iterations. */
const MEMORY = 4;
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
 * Preconditioned L-BFGS (Nocedal & Wright, Numerical Optimization, algorithm 7.4). A full step from the start can land
 * where the curvature is a thousand times smaller and every further step is then far too long; so the preconditioner is
 * damped as in Levenberg and Marquardt's method: the curvature that it assumes starts at the largest possible one, and
 * halves with every step that goes well.
 */
export async function minimize<E extends Evaluation>(
  objective: Objective<E>,
  start: Float32Array,
  { maxCurvature, tolerance, maxIterations, signal }: MinimizeOptions,
): Promise<Minimum<E>> {
  let at = await objective.evaluate(start);
  const squaredNorm = (e: E) => Math.max(0, dot(e.gradient, e.gradientDual));
  let squared = squaredNorm(at);
  let best = at;
  let bestSquared = squared;
  let lowest = at.value;
  let stalled = 0;
  const pairs: Pair[] = [];
  let iterations = 0;
  let damping = maxCurvature;
  while (squared > tolerance * at.value && iterations < maxIterations && stalled < MAX_STALLED) {
    signal?.throwIfAborted();
    damping = Math.max(at.curvature, damping);
    const direction = await findDirection(objective, at, pairs, damping);
    const found = await searchLine(objective, at, direction);
    if (!found) {
      if (pairs.length === 0) break; // not even the preconditioned gradient leads down: rounding is the limit
      pairs.length = 0;
      continue;
    }
    iterations++;
    damping = Math.min(maxCurvature, damping * (found.trials === 1 ? RELAX : TIGHTEN));
    const { next } = found;
    remember(pairs, at, next);
    at = next;
    squared = squaredNorm(at);
    const lower = at.value < lowest * (1 - VALUE_NOISE);
    if (lower) lowest = at.value;
    if (lower || squared < bestSquared) {
      best = at;
      bestSquared = squared;
      stalled = 0;
    } else stalled++;
  }
  return {
    at: best,
    iterations,
    gradientNorm: Math.sqrt(bestSquared),
    converged: bestSquared <= tolerance * best.value,
  };
}

async function findDirection<E extends Evaluation>(
  objective: Objective<E>,
  at: E,
  pairs: readonly Pair[],
  curvature: number,
): Promise<Float32Array> {
  const q = at.gradient.map((value) => -value);
  const alphas: number[] = [];
  for (const { stepDual, change, rho } of pairs.toReversed()) {
    const alpha = rho * dot(stepDual, q);
    alphas.unshift(alpha);
    addScaled(q, -alpha, change);
  }
  const last = pairs.at(-1);
  const [r = q, inverseChange] = await objective.precondition(last ? [q, last.change] : [q], curvature);
  if (last && inverseChange) {
    // The preconditioner's size is corrected by the newest pair, as gamma is in plain L-BFGS.
    const expected = dot(inverseChange, last.changeDual);
    if (expected > 0) {
      const gamma = 1 / (last.rho * expected);
      for (let i = 0; i < r.length; i++) r[i] = (r[i] ?? 0) * gamma;
    }
  }
  pairs.forEach(({ step, changeDual, rho }, i) => {
    const beta = rho * dot(changeDual, r);
    addScaled(r, (alphas[i] ?? 0) - beta, step);
  });
  return r;
}

/**
 * The first trial point that lies lower (Armijo's condition) or still descends: a convex function only falls on the way
 * to where its slope is negative. Near the minimum that decides, as slopes in float32 are good to several digits more
 * than differences of values.
 */
async function searchLine<E extends Evaluation>(
  objective: Objective<E>,
  at: E,
  direction: Float32Array,
): Promise<{ next: E; trials: number } | undefined> {
  const slope = dot(at.gradientDual, direction);
  if (!(slope < 0)) return undefined;
  let length = 1;
  for (let trials = 1; trials <= MAX_TRIALS; trials++) {
    const point = at.point.slice();
    addScaled(point, length, direction);
    const next = await objective.evaluate(point);
    const slopeThere = dot(next.gradientDual, direction);
    const highest = at.value + 1e-4 * length * slope + VALUE_NOISE * at.value;
    if (slopeThere <= 0 || (next.value <= highest && slopeThere < -slope)) return { next, trials };
    const secant = slope / (slope - slopeThere);
    length *= Number.isFinite(secant) ? Math.min(0.8, Math.max(0.1, secant)) : 0.1;
  }
  return undefined;
}

function remember(pairs: Pair[], before: Evaluation, after: Evaluation): void {
  const step = subtract(after.point, before.point);
  const change = subtract(after.gradient, before.gradient);
  const sameMetric = after.point === after.pointDual;
  const stepDual = sameMetric ? step : subtract(after.pointDual, before.pointDual);
  const changeDual = sameMetric ? change : subtract(after.gradientDual, before.gradientDual);
  const product = dot(stepDual, change);
  if (!(product > 0)) return;
  pairs.push({ step, stepDual, change, changeDual, rho: 1 / product });
  if (pairs.length > MEMORY) pairs.shift();
}
