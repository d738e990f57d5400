import { describe, expect, it } from "vitest";
import { runOperator } from "../../../test/export/run-operator.ts";
import { responseNormOperator } from "./response-norm.ts";

describe("responseNorm", () => {
  it("weights features by their share of the norms", async () => {
    const { values } = await runOperator(responseNormOperator, {
      inputs: [{ dims: [2, 2], values: [3, 0, 4, 15] }],
      slots: [
        { dims: [1, 1, 1, 2], values: [1, 2] },
        { dims: [1, 1, 1, 2], values: [0, 1] },
      ],
    });
    // norms 5 and 15, their mean 10
    const expected = [3 + 3 * 0.5, 1, 4 + 4 * 0.5, 15 + 2 * 15 * 1.5 + 1];
    values.forEach((value, index) => expect(value).toBeCloseTo(expected[index] ?? NaN, 4));
  });
});
