import { describe, expect, it } from "vitest";
import { furthest, ranked, runGraph, waves, weight } from "../../../test/export/run-graph.ts";
import { addPositions, type PositionOptions } from "./position.ts";
import { relativeBias } from "./relative-bias.ts";
import { ShapeError } from "./shapes.ts";

/** Zero tokens of a picture of rows x columns patches and `others`, so that what comes out is what was added. */
const blank = (rows: number, columns: number, others: number) => ({
  info: { dims: [rows * columns + others, 2], grid: [rows, columns] as const },
  values: new Float32Array((rows * columns + others) * 2),
});

describe("addPositions", () => {
  const run = (rows: number, columns: number, options: PositionOptions) =>
    runGraph([blank(rows, columns, 2)], (g, [x]) => addPositions(g, ranked(x, 3), weight(0.37, 1, 8, 2), options));
  const trained = { grid: [2, 3], before: 1, after: 1 } as const;

  it("adds what is stored at the grid that it was trained for", async () => {
    expect(furthest((await run(2, 3, trained)).values, [...waves(16)])).toBe(0);
  });

  it("interpolates those of the patches at another grid, as PyTorch does", async () => {
    const plain = [
      0.3616154, 0.9950833, -0.7735283, 0.5270047, 0.0328168, 0.7075416, 0.8391615, 0.8880785, -0.2759291, 0.8523408,
    ];
    const antialiased = [
      0.3616154, 0.9950833, 0.0970129, -0.06950046, -0.004275318, -0.09217846, -0.1055636, -0.1148565, -0.2759291,
      0.8523408,
    ];
    expect(furthest((await run(3, 1, trained)).values, plain)).toBeLessThan(2e-6);
    expect(furthest((await run(3, 1, { ...trained, antialias: true })).values, antialiased)).toBeLessThan(2e-6);
  });

  it("refuses embeddings of another number of patches", async () => {
    await expect(run(2, 3, { ...trained, grid: [3, 3] })).rejects.toThrow(ShapeError);
  });
});

describe("relativeBias", () => {
  const run = (trained: readonly [number, number], rows: number, columns: number) => {
    const table = weight(0.37, (2 * trained[0] - 1) * (2 * trained[1] - 1) + 3, 2);
    return runGraph([blank(rows, columns, 1)], (g, [x]) => relativeBias(g, ranked(x, 3), table, trained));
  };

  it("equals transformers' at the grid that it was trained for, at another, and where that is no square", async () => {
    const square = [
      -0.6408964, -0.9784344, -0.9784344, -0.9784344, -0.9784344, 0.9448904, -0.9746657, 0.9504803, 0.170752, 0.3616154,
      0.9448904, 0.7198799, -0.9746657, -0.6542463, 0.170752, 0.9448904, -0.2759291, -0.2590476, -0.9746657, 0.9504803,
      0.9448904, 0.7319289, -0.2759291, 0.7198799, -0.9746657, -0.9110922, -0.06270038, -0.06270038, -0.06270038,
      -0.06270038, 0.568214, -0.4762376, -0.04520594, -0.9037315, 0.9950833, 0.568214, 0.8613719, -0.4762376, 0.5537113,
      -0.9037315, 0.568214, 0.8523408, -0.9999616, -0.4762376, -0.04520594, 0.568214, -0.4607595, 0.8523408, 0.8613719,
      -0.4762376,
    ];
    const other = [
      -0.6408964, -0.9784344, -0.9784344, -0.9784344, 0.9448904, -0.9746657, 0.1804218, 0.9504803, 0.9448904,
      0.04206193, -0.9746657, 0.1804218, 0.9448904, 0.7198799, 0.04206193, -0.9746657, -0.9110922, -0.06270038,
      -0.06270038, -0.06270038, 0.568214, -0.4762376, -0.2176186, -0.04520594, 0.568214, 0.3263283, -0.4762376,
      -0.2176186, 0.568214, 0.8613719, 0.3263283, -0.4762376,
    ];
    const oblong = [
      0.7198799, 0.9504803, 0.9504803, -0.9746657, 0.170752, 0.170752, -0.9746657, 0.170752, 0.170752, 0.8613719,
      -0.04520594, -0.04520594, -0.4762376, -0.9037315, -0.9037315, -0.4762376, -0.9037315, -0.9037315,
    ];
    const same = await run([2, 2], 2, 2);
    expect(same.dims).toEqual([1, 2, 5, 5]);
    expect(furthest(same.values, square)).toBeLessThan(2e-6);
    expect(furthest((await run([2, 2], 1, 3)).values, other)).toBeLessThan(2e-6);
    expect(furthest((await run([1, 2], 1, 2)).values, oblong)).toBeLessThan(2e-6);
  });
});
