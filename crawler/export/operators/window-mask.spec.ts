import { describe, expect, it } from "vitest";
import { counting, runOperator } from "../../../test/export/run-operator.ts";
import { windowMaskOperator } from "./window-mask.ts";
import { partitionWindowsOperator } from "./windows.ts";

describe("windowMask", () => {
  it("parts what only the roll has brought together", async () => {
    const attributes = { window: 2, shift: 1, shrinks: false };
    const grid = [4, 4] as const;
    // each quarter of the rolled picture's edge is told from the others by its number
    const windows = await runOperator(partitionWindowsOperator, {
      inputs: [{ dims: [16, 1], grid, values: counting(16) }],
      attributes,
    });
    const mask = await runOperator(windowMaskOperator, { inputs: [{ ...windows, grid }], attributes });
    expect(mask.dims).toEqual([4, 1, 4, 4]);
    const areNeighbours = (a: number, b: number) => {
      const [from, to] = [a - 1, b - 1];
      const [rows, columns] = [Math.floor(from / 4) - Math.floor(to / 4), (from % 4) - (to % 4)];
      return Math.abs(rows) < 2 && Math.abs(columns) < 2;
    };
    mask.values.forEach((value, index) => {
      const [window, a, b] = [Math.floor(index / 16), Math.floor(index / 4) % 4, index % 4];
      const [from = 0, to = 0] = [windows.values[window * 4 + a], windows.values[window * 4 + b]];
      expect(value).toBe(areNeighbours(from, to) ? 0 : -100);
    });
  });

  it("is nothing where the windows are not shifted at this size", () => {
    const site = {
      inputs: [{ dims: [1, 9, 8], grid: [3, 3] as const }],
      slots: [],
      attributes: { window: 4, shift: 2, shrinks: true },
    };
    expect(windowMaskOperator.infer(site).dims).toEqual([1, 1, 1, 1]);
  });
});
