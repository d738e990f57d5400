import { describe, expect, it } from "vitest";
import { fuseConvs, type FusedGraph } from "./fuse-convs.ts";
import { blockWeights, foldSlot } from "./fused-slots.ts";
import type { BlockGraph, GraphNode } from "./graph.ts";

const conv = (x: number, slots: readonly number[], groups = 1): GraphNode => ({
  operator: "conv",
  inputs: [x],
  slots,
  attributes: { stride: 1, padding: 1, dilation: 1, groups },
});
const node = (operator: string, inputs: readonly number[], slots: readonly number[] = []): GraphNode => ({
  operator,
  inputs,
  slots,
  attributes: operator === "batchNorm" ? { epsilon: 1e-5 } : {},
});

/** relu(x + norm(conv(relu(norm(conv(x)))))): values 1 to 7. */
const residualUnit: BlockGraph = {
  inputs: ["x"],
  slots: [[16, 16, 3, 3], [16], [16], [16], [16], [16, 16, 3, 3], [16], [16], [16], [16]],
  nodes: [
    conv(0, [0]),
    node("batchNorm", [1], [1, 2, 3, 4]),
    node("relu", [2]),
    conv(3, [5]),
    node("batchNorm", [4], [6, 7, 8, 9]),
    node("add", [5, 0]),
    node("relu", [6]),
  ],
  output: 7,
};

const map = (channels: number, size: number) => ({ dims: [channels, size, size] });

const operatorsOf = (fused: FusedGraph | null) => fused?.graph.nodes.map(({ operator, inputs }) => [operator, inputs]);

describe("fuseConvs", () => {
  it("makes one operation of a convolution and what follows it", () => {
    const fused = fuseConvs(residualUnit, [map(16, 8)], true);
    expect(
      fused?.graph.nodes.map(({ operator, inputs, attributes }) => [operator, inputs, attributes["relu"]]),
    ).toEqual([
      ["blockedConv", [0], true],
      ["blockedConv", [1, 0], true],
    ]);
    expect(fused?.graph.output).toBe(2);
    expect(fused?.graph.slots).toEqual([[16, 16, 3, 3], [16], [16, 16, 3, 3], [16]]);
    expect(fused?.slots.map(({ kind }) => kind)).toEqual([
      "blockedWeight",
      "foldedBias",
      "blockedWeight",
      "foldedBias",
    ]);
  });

  it("computes small maps as matrix products of the stored weights, on any machine", () => {
    for (const hasBlocked of [true, false]) {
      const fused = fuseConvs(residualUnit, [map(16, 4)], hasBlocked);
      expect(operatorsOf(fused)).toEqual([
        ["matrixConv", [0]],
        ["matrixConv", [1, 0]],
      ]);
      expect(fused?.graph.slots).toEqual([[16, 144], [16], [16], [16, 144], [16], [16]]);
      expect(fused?.slots[0]).toEqual({ kind: "stored", slot: 0 });
    }
    expect(fuseConvs(residualUnit, [map(16, 8)], false)).toBeNull();
  });

  it("leaves alone what another node reads too", () => {
    const graph: BlockGraph = {
      inputs: ["x"],
      slots: [[16, 16, 1, 1]],
      nodes: [conv(0, [0]), node("relu", [1]), node("add", [1, 2])],
      output: 3,
    };
    expect(operatorsOf(fuseConvs(graph, [map(16, 8)], true))).toEqual([
      ["blockedConv", [0]],
      ["relu", [1]],
      ["add", [1, 2]],
    ]);
  });

  it("takes pixels, but no other odd channels, no groups, and no weights that are read when the graph is written", () => {
    const one = (shape: readonly number[], groups: number): BlockGraph => ({
      inputs: ["x"],
      slots: [shape],
      nodes: [conv(0, [0], groups)],
      output: 1,
    });
    expect(operatorsOf(fuseConvs(one([16, 16, 3, 3], 1), [map(16, 8)], true))).toEqual([["blockedConv", [0]]]);
    expect(operatorsOf(fuseConvs(one([64, 3, 7, 7], 1), [map(3, 32)], true))).toEqual([["blockedConv", [0]]]);
    expect(fuseConvs(one([16, 12, 3, 3], 1), [map(12, 8)], true)).toBeNull();
    expect(fuseConvs(one([16, 1, 3, 3], 16), [map(16, 8)], true)).toBeNull();
    const positions = { ...one([5, 16], 1), nodes: [node("addPositions", [0], [0])] };
    expect(fuseConvs(positions, [{ dims: [5, 16] }], true)).toBeNull();
  });
});

it("folds what a norm does", () => {
  const norm = { weight: 1, bias: 2, mean: 3, variance: 4, epsilon: 1e-5 };
  const read = (slot: number) => new Float32Array(16).fill(slot + 1);
  const scale = 2 / Math.sqrt(5 + 1e-5);
  const close = (values: Float32Array, to: number) =>
    expect(Math.max(...values.map((v) => Math.abs(v - to)))).toBeLessThan(1e-6);
  close(foldSlot({ kind: "normScale", norm }, read, 16), scale);
  close(foldSlot({ kind: "foldedBias", slot: null, norm }, read, 16), 3 - 4 * scale);
  close(foldSlot({ kind: "foldedBias", slot: 5, norm }, read, 16), 3 + 2 * scale);
  close(foldSlot({ kind: "foldedBias", slot: 5, norm: null }, read, 16), 6);
  close(foldSlot({ kind: "foldedBias", slot: null, norm: null }, read, 16), 0);
});

it.each([
  [16, 16],
  [8, 8],
  [1, 16],
])("lays weights out in groups of %i and %i channels", (i, c) => {
  const size = { out: 32, in: 16, kernel: 9 };
  const weights = Float32Array.from({ length: 32 * 16 * 9 }, (_, index) => index);
  const to = new Float32Array(weights.length);
  blockWeights(weights, size, new Float32Array(32).fill(1), to, [i, c]);
  for (const [o, x, k] of [
    [0, 0, 0],
    [31, 15, 8],
    [17, 3, 5],
    [9, 12, 1],
  ] as const) {
    const block = (Math.floor(o / c) * (size.in / i) + Math.floor(x / i)) * size.kernel + k;
    expect(to[(block * i + (x % i)) * c + (o % c)]).toBe(weights[(o * size.in + x) * size.kernel + k]);
  }
});
