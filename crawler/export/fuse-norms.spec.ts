import { describe, expect, it } from "vitest";
import { furthest, ranked, runGraph, waves, weight } from "../../test/export/run-graph.ts";
import { fuseNorms } from "./fuse-norms.ts";
import type { TensorRef } from "./graph.ts";
import { add, relu } from "./operators/elementwise.ts";
import { batchNormOperator } from "./operators/batch-norm.ts";
import { convOperator } from "./operators/conv.ts";
import { Ops, type Value } from "./ops.ts";

const info = { dims: [2, 3, 3] };
const settings = { stride: 1, padding: 1, dilation: 1, groups: 1 };

const conv = (g: Ops, x: Value<4>, ...tensors: TensorRef[]): Value<4> =>
  g.apply<4>(convOperator, [x], tensors, settings);
const norm = (g: Ops, x: Value<4>, phase: number): Value<4> =>
  g.apply<4>(
    batchNormOperator,
    [x],
    [0, 1, 2, 3].map((index) => weight(phase + index, 2)),
    { epsilon: 2 },
  );

const operatorsOf = (build: (g: Ops, x: Value<4>) => Value<4>): string[] => {
  const g = new Ops([["x", info]]);
  return fuseNorms(g.finish("block", build(g, { id: 0, info, rank: 4 })).graph).nodes.map(({ operator }) => operator);
};

describe("fuseNorms", () => {
  it("joins a norm with the convolution before it, and leaves the rest", () => {
    const fused = operatorsOf((g, x) => relu(g, add(g, norm(g, conv(g, x, weight(1, 2, 2, 3, 3)), 2), norm(g, x, 6))));
    expect(fused).toEqual(["normedConv", "batchNorm", "add", "relu"]);
  });

  it("leaves a convolution that another node reads too", () => {
    const fused = operatorsOf((g, x) => {
      const convolved = conv(g, x, weight(1, 2, 2, 3, 3));
      return add(g, norm(g, convolved, 2), convolved);
    });
    expect(fused).toEqual(["conv", "batchNorm", "add"]);
  });

  it("leaves a convolution that is what the block puts out", () => {
    const g = new Ops([["x", info]]);
    const convolved = conv(g, { id: 0, info, rank: 4 }, weight(1, 2, 2, 3, 3));
    norm(g, convolved, 2);
    expect(fuseNorms(g.finish("block", convolved).graph).nodes.map(({ operator }) => operator)).toContain("conv");
  });

  it.each([
    ["with a bias", [weight(1, 2, 2, 3, 3), weight(9, 2)]],
    ["without", [weight(1, 2, 2, 3, 3)]],
  ])("computes the same for a convolution %s", async (_case, tensors) => {
    const inputs = [{ info, values: waves(18) }];
    // variances are positive
    const weightsOf = (name: string, count: number) =>
      name === "5" ? waves(count).map((value) => value + 2) : waves(count, Number(name));
    const build = (g: Ops, [x]: readonly Value<number>[]) => norm(g, conv(g, ranked(x, 4), ...tensors), 2);
    const plain = await runGraph(inputs, build, weightsOf);
    const fused = await runGraph(inputs, build, weightsOf, fuseNorms);
    expect(furthest(fused.values, plain.values)).toBeLessThan(1e-6);
    expect(fused.dims).toEqual(plain.dims);
  });
});
