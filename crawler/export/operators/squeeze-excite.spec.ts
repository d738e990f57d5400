import { describe, expect, it } from "vitest";
import { counting, runOperator } from "../../../test/export/run-operator.ts";
import { ShapeError } from "./shapes.ts";
import { channelGateOperator, squeezeOperator } from "./squeeze-excite.ts";

describe("squeeze", () => {
  it("is the mean of each channel", async () => {
    const use = { inputs: [{ dims: [2, 1, 2], values: counting(4) }] };
    expect(await runOperator(squeezeOperator, use)).toEqual({ dims: [2, 1, 1], values: [1.5, 3.5] });
  });
});

describe("channelGate", () => {
  it("weights each channel by the sigmoid of its gate", async () => {
    const x = { dims: [2, 1, 2], values: counting(4) };
    const gate = { dims: [2, 1, 1], values: [0, 100] };
    expect((await runOperator(channelGateOperator, { inputs: [x, gate] })).values).toEqual([0.5, 1, 3, 4]);
  });

  it("refuses gates of other channels", () => {
    const site = { inputs: [{ dims: [2, 4, 4] }, { dims: [3, 1, 1] }], slots: [], attributes: {} };
    expect(() => channelGateOperator.infer(site)).toThrow(ShapeError);
  });
});
