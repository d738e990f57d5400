import { describe, expect, it } from "vitest";
import { counting, runOperator } from "../../../test/export/run-operator.ts";
import { mergePatchesOperator } from "./merge-patches.ts";

describe("mergePatches", () => {
  it("puts four tokens side by side, column by column", async () => {
    const x = { dims: [8, 1], grid: [2, 4] as const, values: counting(8) };
    const { dims, values } = await runOperator(mergePatchesOperator, { inputs: [x] });
    expect(dims).toEqual([2, 4]);
    expect(values).toEqual([1, 5, 2, 6, 3, 7, 4, 8]);
  });

  it("fills an odd side with zeros", async () => {
    const x = { dims: [3, 1], grid: [1, 3] as const, values: counting(3) };
    const { values } = await runOperator(mergePatchesOperator, { inputs: [x] });
    expect(values).toEqual([1, 0, 2, 0, 3, 0, 0, 0]);
  });
});
