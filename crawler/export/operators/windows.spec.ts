import { describe, expect, it } from "vitest";
import { counting, runOperator } from "../../../test/export/run-operator.ts";
import { ShapeError } from "./shapes.ts";
import { mergeWindowsOperator, partitionWindowsOperator, windowLayout } from "./windows.ts";

const tokens = (rows: number, columns: number) => ({
  dims: [rows * columns, 1],
  grid: [rows, columns] as const,
  values: counting(rows * columns),
});

describe("partitionWindows", () => {
  it("cuts a picture into windows, row by row", async () => {
    const use = { inputs: [tokens(2, 4)], attributes: { window: 2, shift: 0, shrinks: true } };
    // the shorter side is the window, so that it is the same cut whether windows shrink or not
    const { dims, values } = await runOperator(partitionWindowsOperator, use);
    expect(dims).toEqual([2, 4, 1]);
    expect(values).toEqual([1, 2, 5, 6, 3, 4, 7, 8]);
  });

  it("rolls the picture up and to the left first", async () => {
    const use = { inputs: [tokens(2, 2)], attributes: { window: 2, shift: 1, shrinks: false } };
    expect((await runOperator(partitionWindowsOperator, use)).values).toEqual([4, 3, 2, 1]);
  });

  it("refuses what is no picture", () => {
    const site = { inputs: [{ dims: [5, 1] }], slots: [], attributes: { window: 2, shift: 0, shrinks: false } };
    expect(() => partitionWindowsOperator.infer(site)).toThrow(ShapeError);
  });
});

describe("mergeWindows", () => {
  it.each([
    { grid: [4, 4], window: 2, shift: 1 },
    { grid: [5, 7], window: 3, shift: 1 },
    { grid: [7, 3], window: 4, shift: 2 },
    { grid: [2, 9], window: 5, shift: 2 },
  ] as const)("undoes a partition of $grid into windows of $window, rolled by $shift", async (example) => {
    const x = tokens(example.grid[0], example.grid[1]);
    for (const shrinks of [false, true]) {
      const attributes = { window: example.window, shift: example.shift, shrinks };
      const windows = await runOperator(partitionWindowsOperator, { inputs: [x], attributes });
      const merged = await runOperator(mergeWindowsOperator, { inputs: [{ ...windows, grid: x.grid }], attributes });
      expect(merged.values).toEqual(x.values);
    }
  });
});

describe("windowLayout", () => {
  it("takes the whole shorter side, unshifted, where the window is no smaller and may shrink", () => {
    const layout = windowLayout({ dims: [], grid: [4, 6] }, { window: 7, shift: 3, shrinks: true });
    expect(layout).toEqual({ window: 4, shift: 0, padded: [4, 8], tokens: 32, windows: 2 });
  });

  it("fills the picture up to whole windows otherwise", () => {
    const layout = windowLayout({ dims: [], grid: [4, 6] }, { window: 7, shift: 3, shrinks: false });
    expect(layout).toEqual({ window: 7, shift: 3, padded: [7, 7], tokens: 49, windows: 1 });
  });
});
