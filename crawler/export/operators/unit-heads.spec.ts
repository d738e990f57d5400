import { describe, expect, it } from "vitest";
import { runOperator } from "../../../test/export/run-operator.ts";
import { unitHeadsOperator } from "./unit-heads.ts";

describe("unitHeads", () => {
  const x = { dims: [1, 4], values: [3, 4, 0, 0] };

  it("brings each head to length 1, and leaves nothing nothing", async () => {
    const { values } = await runOperator(unitHeadsOperator, { inputs: [x], attributes: { heads: 2 } });
    expect(values.map((value) => value.toFixed(5))).toEqual(["0.60000", "0.80000", "0.00000", "0.00000"]);
  });

  it("multiplies by at most 100", async () => {
    const slots = [{ dims: [2, 1, 1], values: [50, 0] }];
    const { values } = await runOperator(unitHeadsOperator, { inputs: [x], slots, attributes: { heads: 2 } });
    expect(values[0]).toBeCloseTo(60, 3);
  });
});
