import { describe, expect, it } from "vitest";
import { counting, runOperator } from "../../../test/export/run-operator.ts";
import { patchPadOperator, samePadOperator, zeroPadOperator } from "./pad.ts";

describe("samePad", () => {
  const same = (size: readonly [number, number], kernel: number, stride: number, dilation = 1) =>
    samePadOperator.infer({
      inputs: [{ dims: [1, ...size] }],
      slots: [],
      attributes: { kernel, stride, dilation },
    }).dims;

  it.each([
    { size: [8, 8], kernel: 3, stride: 2, padded: [9, 9] },
    { size: [7, 8], kernel: 3, stride: 2, padded: [9, 9] },
    { size: [8, 7], kernel: 5, stride: 2, padded: [11, 11] },
    { size: [5, 5], kernel: 1, stride: 2, padded: [5, 5] },
    { size: [4, 4], kernel: 2, stride: 1, padded: [5, 5] },
  ] as const)("pads $size for a kernel of $kernel at stride $stride to $padded", ({ size, kernel, stride, padded }) => {
    expect(same(size, kernel, stride)).toEqual([1, ...padded]);
  });

  it("counts the gaps of a dilated kernel", () => {
    expect(same([8, 8], 3, 1, 2)).toEqual([1, 12, 12]);
  });

  it("puts the odd row and column below and to the right", async () => {
    const use = {
      inputs: [{ dims: [1, 2, 2], values: [1, 2, 3, 4] }],
      attributes: { kernel: 3, stride: 2, dilation: 1 },
    };
    expect((await runOperator(samePadOperator, use)).values).toEqual([1, 2, 0, 3, 4, 0, 0, 0, 0]);
  });
});

describe("zeroPad", () => {
  it("adds different numbers of rows and columns at each side", async () => {
    const use = { inputs: [{ dims: [1, 1, 1], values: [7] }], attributes: { top: 1, left: 0, bottom: 0, right: 2 } };
    expect(await runOperator(zeroPadOperator, use)).toEqual({ dims: [1, 2, 3], values: [0, 0, 0, 7, 0, 0] });
  });
});

describe("patchPad", () => {
  it("fills the last patches", async () => {
    const use = { inputs: [{ dims: [1, 2, 3], values: counting(6) }], attributes: { patch: 2 } };
    expect(await runOperator(patchPadOperator, use)).toEqual({ dims: [1, 2, 4], values: [1, 2, 3, 0, 4, 5, 6, 0] });
  });

  it("leaves whole patches as they are", () => {
    const site = { inputs: [{ dims: [3, 8, 4] }], slots: [], attributes: { patch: 4 } };
    expect(patchPadOperator.infer(site).dims).toEqual([3, 8, 4]);
  });
});
