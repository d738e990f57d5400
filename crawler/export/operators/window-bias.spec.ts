import { describe, expect, it } from "vitest";
import { counting, runOperator } from "../../../test/export/run-operator.ts";
import { ShapeError } from "./shapes.ts";
import { continuousBiasOperator, windowBiasOperator } from "./window-bias.ts";

const windows = (side: number) => ({
  dims: [1, side ** 2, 1],
  grid: [side, side] as const,
  values: counting(side ** 2),
});

describe("windowBias", () => {
  it("looks the offset of each pair up", async () => {
    const { dims, values } = await runOperator(windowBiasOperator, {
      inputs: [windows(2)],
      slots: [{ dims: [9, 1], values: counting(9) }],
      attributes: { window: 2, shift: 0, shrinks: true },
    });
    expect(dims).toEqual([1, 1, 4, 4]);
    expect(values).toEqual([5, 4, 2, 1, 6, 5, 3, 2, 8, 7, 5, 4, 9, 8, 6, 5]);
  });

  it("takes the middle of the table for windows that shrank", async () => {
    const { values } = await runOperator(windowBiasOperator, {
      inputs: [windows(2)],
      slots: [{ dims: [25, 1], values: counting(25) }],
      attributes: { window: 3, shift: 1, shrinks: true },
    });
    expect(values.slice(0, 4)).toEqual([13, 12, 8, 7]);
  });

  it("refuses a table for windows of another size", () => {
    const site = { inputs: [windows(2)], slots: [[25, 1]], attributes: { window: 2, shift: 0, shrinks: true } };
    expect(() => windowBiasOperator.infer(site)).toThrow(ShapeError);
  });
});

describe("continuousBias", () => {
  it("grows with the logarithm of the offset", async () => {
    const { values } = await runOperator(continuousBiasOperator, {
      inputs: [windows(2)],
      // the hidden layer passes downward offsets on, and the second turns them round
      slots: [
        { dims: [1, 2], values: [1, 0] },
        { dims: [1], values: [0] },
        { dims: [1, 1], values: [-1] },
      ],
      attributes: { window: 2, trained: 0 },
    });
    const downwards = 16 / (1 + Math.exp(Math.log2(9) / 3));
    expect(values.slice(0, 4)).toEqual([8, 8, 8, 8]);
    expect(values[8]).toBeCloseTo(downwards, 5);
  });
});
