import { block, type BlockPlan } from "./architecture.ts";
import { expectLayers } from "./expect-layers.ts";
import { expectTensor } from "./expect-tensor.ts";
import type { TensorRef } from "./graph.ts";
import { activate } from "./operators/activation.ts";
import { attend } from "./operators/attend.ts";
import { add, multiply } from "./operators/elementwise.ts";
import { layerNorm } from "./operators/layer-norm.ts";
import { expectNoBias, linear, linearWith } from "./operators/linear.ts";
import { scale } from "./operators/scale.ts";
import type { Ops, Value } from "./ops.ts";
import type { Params } from "./params.ts";

/** What a checkpoint calls the parts of a transformer layer that normalises first. */
export interface LayerNames {
  readonly norms: readonly [attention: string, feedForward: string];
  /** Three projections, or one whose rows are those of query, key and value. */
  readonly projections: readonly [query: string, key: string, value: string] | readonly [fused: string];
  readonly output: string;
  readonly feedForward: readonly [up: string, down: string];
  /** Tensors that scale what attention and feed-forward add; absent: nothing does. */
  readonly scales?: readonly [attention: string, feedForward: string];
}

export interface LayerSettings {
  readonly layers: number;
  readonly width: number;
  /** Width between the two linear layers of the feed-forward part. */
  readonly innerWidth: number;
  readonly heads: number;
  readonly epsilon: number;
  /** By transformers' names; "swiglu" gates one half of a linear layer by the other (arXiv 2002.05202). */
  readonly activation: string;
  /** Whether query, key and value have biases. Default: all have. */
  readonly biases?: readonly [query: boolean, key: boolean, value: boolean];
  /** Added to the attention scores. */
  readonly scoreBias?: (g: Ops, x: Value<3>, layer: Params) => Value<number> | undefined;
}

/** One block a layer of a transformer encoder; `path` names the layers below `p`. */
export const encoderLayers = (
  p: Params,
  path: (index: number) => string,
  names: LayerNames,
  settings: LayerSettings,
): BlockPlan[] =>
  expectLayers(p, path, settings.layers).map((index) =>
    block(`layer${index}`, 3, (g, x) => encoderLayer(g, x, p.at(path(index)), names, settings)),
  );

/** A transformer layer with layer norm first (arXiv 2002.04745), as in ViT (arXiv 2010.11929). */
export function encoderLayer(g: Ops, x: Value<3>, p: Params, names: LayerNames, settings: LayerSettings): Value<3> {
  const { heads, epsilon } = settings;
  const scaled = (y: Value<3>, part: 0 | 1): Value<3> =>
    names.scales ? scale(g, y, p.tensor(names.scales[part], 1)) : y;
  const h = layerNorm(g, x, p.at(names.norms[0]), epsilon);
  const bias = settings.scoreBias?.(g, x, p);
  const seen = attend(g, project(g, h, p, names, settings), bias ? { heads, bias } : { heads });
  const y = add(g, x, scaled(linear(g, seen, p.at(names.output)), 0));
  return add(g, y, scaled(feedForward(g, layerNorm(g, y, p.at(names.norms[1]), epsilon), p, names, settings), 1));
}

/** Rows of a tensor, counted in equal parts: part 1 of 3 of a fused query-key-value matrix are the key's rows. */
export function partOf(tensor: TensorRef, part: number, parts: number): TensorRef {
  const [rows = 0, ...rest] = tensor.shape;
  const shape = [Math.floor(rows / parts), ...rest];
  return { ...tensor, shape, offset: part * shape.reduce((product, dim) => product * dim, 1) };
}

function project(
  g: Ops,
  h: Value<3>,
  p: Params,
  { projections }: LayerNames,
  { width, biases: [query, key, value] = [true, true, true] }: LayerSettings,
): [Value<3>, Value<3>, Value<3>] {
  if (projections.length === 3) {
    const [q, k, v] = projections;
    return [
      linear(g, h, p.at(q), { bias: query }),
      linear(g, h, p.at(k), { bias: key }),
      linear(g, h, p.at(v), { bias: value }),
    ];
  }
  const fused = p.at(projections[0]);
  if (!query) expectNoBias(fused);
  const weight = expectTensor(fused, "weight", [3 * width, width]);
  const bias = query ? expectTensor(fused, "bias", [3 * width]) : undefined;
  const part = (index: number) => linearWith(g, h, partOf(weight, index, 3), bias && partOf(bias, index, 3));
  return [part(0), part(1), part(2)];
}

function feedForward(
  g: Ops,
  h: Value<3>,
  p: Params,
  { feedForward: [up, down] }: LayerNames,
  { width, innerWidth, activation }: LayerSettings,
): Value<3> {
  const gated = activation === "swiglu";
  const weight = expectTensor(p.at(up), "weight", [gated ? 2 * innerWidth : innerWidth, width]);
  const bias = p.at(up).tensor("bias", 1);
  if (!gated) return linear(g, activate(g, linearWith(g, h, weight, bias), activation), p.at(down));
  const half = (index: number) => linearWith(g, h, partOf(weight, index, 2), partOf(bias, index, 2));
  return linear(g, multiply(g, activate(g, half(0), "silu"), half(1)), p.at(down));
}
