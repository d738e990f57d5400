import { describe, expect, it } from "vitest";
import type { CheckpointTensor } from "./checkpoint/open-checkpoint.ts";
import { planRanges } from "./fetch-tensors.ts";

const tensor = (name: string, begin: number, end: number): CheckpointTensor => ({
  name,
  begin,
  end,
  dtype: "U8",
  shape: [end - begin],
  file: "f",
});

describe("planRanges", () => {
  it("reads small gaps along, and large ones not", () => {
    const ranges = planRanges([tensor("c", 200, 210), tensor("a", 0, 10), tensor("b", 15, 20)], 10);
    expect(ranges.map(({ begin, end }) => [begin, end])).toEqual([
      [0, 20],
      [200, 210],
    ]);
  });

  it("gives tensors in the same bytes ranges of their own", () => {
    const ranges = planRanges([tensor("a", 0, 10), tensor("tied", 0, 10), tensor("part", 5, 8), tensor("b", 10, 20)]);
    expect(ranges.map(({ tensors }) => tensors.map(({ name }) => name))).toEqual([["a"], ["tied"], ["part", "b"]]);
  });
});
