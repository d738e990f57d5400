import { describe, expect, it } from "vitest";
import { furthest, ranked, runGraph, waves, weight } from "../../../test/export/run-graph.ts";
import type { TensorRef } from "../graph.ts";
import { linearWith } from "./linear.ts";
import { layerNormOperator } from "./layer-norm.ts";
import { ShapeError } from "./shapes.ts";

const input = { info: { dims: [2, 3] }, values: waves(6) };
const run = (matrix: TensorRef, bias?: TensorRef) =>
  runGraph([input], (g, [x]) => linearWith(g, ranked(x, 3), matrix, bias));

describe("linear", () => {
  const expected = [1.880064, -0.4355314, -0.5840698, 1.30387];

  it("equals PyTorch's", async () => {
    const { values, dims } = await run(weight(1, 2, 3), weight(2, 2));
    expect(dims).toEqual([1, 2, 2]);
    expect(furthest(values, expected)).toBeLessThan(2e-6);
  });

  it("takes rows of a larger matrix", async () => {
    const { values } = await run({ ...weight(1, 1, 3), offset: 3 }, { ...weight(2, 1), offset: 1 });
    expect(furthest(values, [expected[1] ?? NaN, expected[3] ?? NaN])).toBeLessThan(2e-6);
  });

  it("refuses a matrix of another width", async () => {
    await expect(run(weight(1, 2, 4))).rejects.toThrow(ShapeError);
  });
});

describe("layerNorm", () => {
  it("equals PyTorch's with a large epsilon", async () => {
    const { values } = await runGraph([{ info: { dims: [2, 4] }, values: waves(8) }], (g, inputs) =>
      g.apply(layerNormOperator, inputs, [weight(1, 4), weight(2, 4)], { epsilon: 0.01 }),
    );
    expect(
      furthest(values, [1.159795, 0.7479221, -1.003184, 1.132865, -0.2591017, 0.2689576, -1.531903, 0.01904208]),
    ).toBeLessThan(5e-6);
  });
});
