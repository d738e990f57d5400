import { describe, expect, it } from "vitest";
import type { BlockGraph, GraphNode } from "./graph.ts";
import { blockWeights, prepareSlot } from "./prepare-slot.ts";
import { canBlock, blockGraph } from "./blocked-graph.ts";

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

describe("blockGraph", () => {
  it("makes one operation of a convolution and what follows it", () => {
    const taken = blockGraph(residualUnit);
    expect(
      taken?.graph.nodes.map(({ operator, inputs, attributes }) => [operator, inputs, attributes["relu"]]),
    ).toEqual([
      ["blockedConv", [0], true],
      ["blockedConv", [1, 0], true],
    ]);
    expect(taken?.graph.output).toBe(2);
    expect(taken?.graph.slots).toEqual([[16, 16, 3, 3], [16], [16, 16, 3, 3], [16]]);
  });

  it("leaves alone what another node reads too", () => {
    const graph: BlockGraph = {
      inputs: ["x"],
      slots: [[16, 16, 1, 1]],
      nodes: [conv(0, [0]), node("relu", [1]), node("add", [1, 2])],
      output: 3,
    };
    const taken = blockGraph(graph);
    expect(taken?.graph.nodes.map(({ operator, inputs }) => [operator, inputs])).toEqual([
      ["blockedConv", [0]],
      ["relu", [1]],
      ["add", [1, 2]],
    ]);
  });

  it("does not take grouped convolutions, few channels, or weights that are read when the graph is written", () => {
    const one = (shape: readonly number[], groups: number): BlockGraph => ({
      inputs: ["x"],
      slots: [shape],
      nodes: [conv(0, [0], groups)],
      output: 1,
    });
    expect(canBlock(one([16, 16, 3, 3], 1))).toBe(true);
    expect(canBlock(one([16, 1, 3, 3], 16))).toBe(false);
    expect(canBlock(one([64, 3, 7, 7], 1))).toBe(false);
    const positions = { ...one([5, 16], 1), nodes: [node("addPositions", [0], [0])] };
    expect(canBlock(positions)).toBe(false);
    expect(blockGraph(positions)).toBeNull();
  });
});

describe("prepareSlot", () => {
  it("folds the norm into weight and bias", () => {
    const graph: BlockGraph = {
      inputs: ["x"],
      slots: [[16, 16, 1, 1], [16], [16], [16], [16]],
      nodes: [conv(0, [0]), node("batchNorm", [1], [1, 2, 3, 4])],
      output: 2,
    };
    const taken = blockGraph(graph);
    if (!taken) throw new Error("expected weights as inputs");
    const values = graph.slots.map((shape, slot) => new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(slot + 1));
    const slots = taken.graph.slots.map((shape) => new Float32Array(shape.reduce((a, b) => a * b, 1)));
    slots.forEach((to, slot) =>
      prepareSlot(graph, taken, slot, (stored) => values[stored] ?? new Float32Array(0), to, 16),
    );
    const scale = 2 / Math.sqrt(5 + 1e-5);
    expect(slots[0]?.every((value) => Math.abs(value - scale) < 1e-6)).toBe(true);
    expect(slots[1]?.every((value) => Math.abs(value - (3 - 4 * scale)) < 1e-6)).toBe(true);
  });

  it.each([8, 16])("lays weights out in groups of %i channels", (c) => {
    const size = { out: 32, in: 16, kernel: 9 };
    const weights = Float32Array.from({ length: 32 * 16 * 9 }, (_, index) => index);
    const to = new Float32Array(weights.length);
    blockWeights(weights, size, new Float32Array(32).fill(1), to, c);
    for (const [o, i, k] of [
      [0, 0, 0],
      [31, 15, 8],
      [17, 3, 5],
      [9, 12, 1],
    ] as const) {
      const block = (Math.floor(o / c) * (size.in / c) + Math.floor(i / c)) * size.kernel + k;
      expect(to[(block * c + (i % c)) * c + (o % c)]).toBe(weights[(o * size.in + i) * size.kernel + k]);
    }
  });
});
