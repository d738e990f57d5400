import type { GraphWriter } from "./graph-writer.ts";

/**
 * What the coordinates of a problem are; the last one of each class is its intercept, which is not penalised.
 * "features": its weights [c, d + 1]; x is X transposed, [d + 1, n].
 * "gram": A [c, n + 1] with weights = A X (the representer theorem); x is K = X Xᵀ, [n + 1, n]: an iteration costs n² c
 * instead of n d c. The metric is K, so the iterates are the same.
 * In both, the last row of x is ones.
 */
export type ProblemKind = "features" | "gram";

/** A point of each of s problems, and what they are there. */
export interface Evaluated {
  /** [s, 1, 1] */
  readonly value: string;
  /** Mean of p (1 - p) over items and classes, [s, 1, 1]; of nearly nothing, rounding may make less than that. */
  readonly curvature: string;
  /** [s, c, p] */
  readonly gradient: string;
  /** The metric times the gradient, [s, c, p]: the inner product of a vector and the gradient is that of the vector and this. */
  readonly dual: string;
}

/** What stays as it is from point to point. */
export interface LogisticConstants {
  /** n, and n times c. */
  readonly items: string;
  readonly cells: string;
  /** Of ones: [1, c], [s, n, 1] and [s, p, 1]. */
  readonly eachClass: string;
  readonly eachItem: string;
  readonly eachCoordinate: string;
  readonly kind: ProblemKind;
}

/** @param kind of the problems that `x` and `y` are, as `evaluateLogistic` takes them */
export function constantsOf(g: GraphWriter, kind: ProblemKind): LogisticConstants {
  const [one, problems] = [g.ints([1]), g.sizeOf("x", 0)];
  const items = g.floatSizeOf("y", 1);
  return {
    ...{ items, cells: g.mul(items, g.floatSizeOf("y", 0)) },
    eachClass: g.ones(one, g.sizeOf("y", 0)),
    // one for each problem: those with the same right side would become one product, whose rows are summed by where they are
    eachItem: g.ones(problems, g.sizeOf("y", 1), one),
    eachCoordinate: g.ones(problems, g.sizeOf("x", 1), one),
    kind,
  };
}

/**
 * Multinomial logistic problems: ½ ‖W‖² times a factor + Σ_i -log softmax(W x_i + b)[label_i], a sum, not a mean. Reads
 * `x` [s, p, n], the one-hot labels `y` [c, n] and the factor of each coordinate, `penalties` [1, p], the last one 0.
 * @param point [s, c, p]
 */
export function evaluateLogistic(g: GraphWriter, point: string, constants: LogisticConstants): Evaluated {
  const { items, cells, eachClass, eachItem, kind } = constants;
  const sum = (value: string): string => g.sumColumns(g.sumRows(value, eachItem), eachClass); // of [s, c, n]
  const logits = g.matMul(point, "x"); // [s, c, n]
  const shifted = g.sub(logits, g.op("ReduceMax", [logits, g.ints([1])], { keepdims: 1 }));
  const exps = g.op("Exp", [shifted]);
  const total = g.sumColumns(exps, eachClass); // [s, 1, n]
  const probabilities = g.div(exps, total);
  const residuals = g.sub(probabilities, "y");
  const loss = g.sub(g.sumRows(g.op("Log", [total]), eachItem), sum(g.mul(shifted, "y")));
  const spread = g.sub(items, sum(g.mul(probabilities, probabilities)));
  const curvature = g.div(spread, cells);
  const penalized = g.mul(point, "penalties");

  if (kind === "features") {
    const gradient = g.add(penalized, g.matMul(residuals, "x", { transB: 1 }));
    const value = g.add(loss, g.mul(dot(g, penalized, point, constants), 0.5));
    return { value, curvature, gradient, dual: gradient };
  }
  const intercepts = g.sumRows(residuals, eachItem);
  const gradient = g.add(penalized, g.concat([residuals, intercepts], 2));
  const weighted = g.matMul(g.slice(gradient, 2, 0, -1), "x", { transB: 1 }); // the last column is that of ones
  const dual = g.concat([g.slice(weighted, 2, 0, -1), intercepts], 2);
  // Σ A K Aᵀ times the penalty, for the dual of a residual is K times it
  const square = g.sub(dot(g, point, dual, constants), sum(g.mul(logits, residuals)));
  return { value: g.add(loss, g.mul(square, 0.5)), curvature, gradient, dual };
}

/** The inner product of two points, or of one and a dual, of each problem: [s, 1, 1]. */
export const dot = (g: GraphWriter, a: string, b: string, constants: LogisticConstants): string =>
  g.sumColumns(g.sumRows(g.mul(a, b), constants.eachCoordinate), constants.eachClass);
