import { describe, expect, it } from "vitest";
import { furthest, ranked, runGraph, waves } from "../../../test/export/run-graph.ts";
import { attend, type AttendOptions } from "./attend.ts";
import { ShapeError } from "./shapes.ts";

/** Runs attention on queries, keys and values of one shape, and a bias. */
const run = (dims: number[], bias: number[] | undefined, options: AttendOptions, batch = 1) => {
  const input = (shape: number[], phase: number) => {
    const one = waves(
      shape.reduce((product, dim) => product * dim, 1),
      phase,
    );
    return { info: { dims: shape }, values: Float32Array.from(Array.from({ length: batch }, () => [...one]).flat()) };
  };
  const inputs = [input(dims, 0.1), input(dims, 0.9), input(dims, 2.1), ...(bias ? [input(bias, 0.5)] : [])];
  return runGraph(inputs, (g, [q, k, v, b]) => {
    const queries = [ranked(q, 3), ranked(k, 3), ranked(v, 3)] as const;
    return attend(g, queries, b ? { ...options, bias: b } : options);
  });
};

describe("attend", () => {
  const expected = [
    0.7518216, 0.4238646, -0.2062104, -0.7611945, 0.1541248, 0.8292622, 0.1236124, -0.6458337, 0.5917934, 0.3528992,
    -0.3172998, -0.6807855,
  ];

  it("equals PyTorch's attention of two heads with a bias", async () => {
    const { values, dims } = await run([3, 4], [2, 3, 3], { heads: 2 });
    expect(dims).toEqual([1, 3, 4]);
    expect(furthest(values, expected)).toBeLessThan(2e-6);
  });

  it("treats the items of a batch alike", async () => {
    const { values } = await run([3, 4], [2, 3, 3], { heads: 2 }, 2);
    expect(furthest(values, [...expected, ...expected])).toBeLessThan(2e-6);
  });

  it("stays within windows, with a scale of its own", async () => {
    const { values, dims } = await run([2, 2, 4], [1, 2, 2, 2], { heads: 2, scale: 0.25 });
    expect(dims).toEqual([1, 2, 2, 4]);
    expect(
      furthest(
        values,
        [
          0.8552811, 0.3589203, -0.5801717, -0.8209586, 0.8592091, 0.05449283, -0.8315526, -0.4966391, -0.6121995,
          0.4316458, 0.8981159, 0.1523852, -0.3330144, 0.6935299, 0.6935365, -0.3422883,
        ],
      ),
    ).toBeLessThan(2e-6);
  });

  it("refuses heads that do not divide the width, and a bias that does not fit", async () => {
    await expect(run([3, 4], undefined, { heads: 3 })).rejects.toThrow(ShapeError);
    await expect(run([3, 4], [2, 3, 2], { heads: 2 })).rejects.toThrow("a bias that fits scores of [2, 3, 3]");
  });
});
