import { elementCount } from "../graph.ts";
import type { Lowering, Operator, OperatorSite } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { expectShape, numberAttribute } from "./shapes.ts";

/**
 * Multi-head scaled dot-product attention (arXiv 1706.03762): softmax(q kᵀ · scale + bias) v. Queries, keys and values
 * are [..., L, heads * d]: tokens [L, C], or windows of tokens [windows, L, C], each attending within itself. The bias
 * (relative positions, a mask of large negative values) is [..., heads, L, L], any of its axes 1.
 */
export const attendOperator: Operator = {
  name: "attend",
  infer(site) {
    const [q, k, v, ...biases] = site.inputs.map((input) => input.dims);
    const heads = numberAttribute(site.attributes, "heads");
    const fits = (a: readonly number[] | undefined) =>
      a?.length === q?.length && a?.at(-2) === k?.at(-2) && (a ?? []).slice(0, -2).every((dim, i) => dim === q?.[i]);
    const width = (dims: readonly number[] | undefined) => dims?.at(-1) ?? 0;
    expectShape(
      q !== undefined &&
        fits(k) &&
        fits(v) &&
        width(q) === width(k) &&
        width(q) % heads === 0 &&
        width(v) % heads === 0,
      "attend",
      `queries, keys and values of ${heads} heads`,
      site,
    );
    const scores = [...(q?.slice(0, -2) ?? []), heads, q?.at(-2) ?? 0, k?.at(-2) ?? 0];
    expectShape(
      biases.every((bias) => bias.length === scores.length && isBroadcastable(bias, scores)),
      "attend",
      `a bias that fits scores of [${scores.join(", ")}]`,
      site,
    );
    return { ...site.inputs[0], dims: [...(q?.slice(0, -1) ?? []), width(v)] };
  },
  flops(site, output) {
    const keys = site.inputs[1]?.dims.at(-2) ?? 0;
    return 2 * keys * (elementCount(site.inputs[0]?.dims ?? []) + elementCount(output.dims));
  },
  lower(l) {
    const [q = "", k = "", v = "", ...biases] = l.inputNames;
    const heads = numberAttribute(l.attributes, "heads");
    const factor = l.constant(Float32Array.of(scaleOf(l, heads)), []);
    const queries = splitHeads(l, l.node("Mul", [q, factor]), heads);
    const scores = l.node("MatMul", [queries, splitHeads(l, k, heads, true)]);
    const biased = biases.reduce((sum, bias) => l.node("Add", [sum, bias]), scores);
    const weights = l.node("Softmax", [biased], { axis: -1 });
    return mergeHeads(l, l.node("MatMul", [weights, splitHeads(l, v, heads)]));
  },
};

const isBroadcastable = (from: readonly number[], to: readonly number[]): boolean =>
  from.every((dim, index) => dim === 1 || dim === to[index]);

function scaleOf({ inputs, attributes }: OperatorSite, heads: number): number {
  const width = inputs[0]?.dims.at(-1) ?? 0;
  return attributes.scale === undefined ? 1 / Math.sqrt(width / heads) : numberAttribute(attributes, "scale");
}

/** Axes of one of the values, with the batch and with heads apart: batch, …, L, heads, d. */
const axesOf = ({ inputs }: OperatorSite): number[] =>
  Array.from({ length: (inputs[0]?.dims.length ?? 0) + 2 }, (_, axis) => axis);

/** [..., L, heads * d] -> [..., heads, L, d], or [..., heads, d, L] where `transposed`. */
export function splitHeads(l: Lowering, x: string, heads: number, transposed = false): string {
  const axes = axesOf(l);
  const [length, head, depth] = axes.splice(-3);
  // 0 copies the input's dimension, so that batch and length stay open
  const shape = [...axes.map(() => 0n), 0n, BigInt(heads), -1n];
  const split = l.node("Reshape", [x, l.constant(BigInt64Array.from(shape), [shape.length])]);
  const order = transposed ? [head, depth, length] : [head, length, depth];
  return l.node("Transpose", [split], { perm: [...axes, ...order.map((axis) => axis ?? 0)] });
}

/** [..., heads, L, d] -> [..., L, heads * d] */
export function mergeHeads(l: Lowering, x: string): string {
  const axes = axesOf(l);
  const [head, length, depth] = axes.splice(-3);
  const merged = l.node("Transpose", [x], {
    perm: [...axes, ...[length, head, depth].map((axis) => axis ?? 0)],
  });
  const shape = [...axes.map(() => 0n), 0n, -1n];
  return l.node("Reshape", [merged, l.constant(BigInt64Array.from(shape), [shape.length])]);
}

export interface AttendOptions {
  readonly heads: number;
  /** Default: one over the square root of a head's width. */
  readonly scale?: number;
  /** Added to the scores: [..., heads, L, L], any axis 1. Its batch axis may be 1 too. */
  readonly bias?: Value<number>;
  /** Added after the bias; a shape of the same kind. */
  readonly mask?: Value<number>;
}

export function attend<R extends 3 | 4>(
  g: Ops,
  [q, k, v]: readonly [query: Value<R>, key: Value<R>, value: Value<R>],
  { heads, scale, bias, mask }: AttendOptions,
): Value<R> {
  const inputs = [q, k, v, ...(bias ? [bias] : []), ...(mask ? [mask] : [])];
  return g.apply<R>(attendOperator, inputs, [], scale === undefined ? { heads } : { heads, scale });
}
