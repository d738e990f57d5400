import { afterAll, expect, it } from "vitest";
import { MatrixEngine } from "./matrix-engine.ts";
import { fitStandardizer, standardize } from "./standardize.ts";
import { transpose } from "./transpose.ts";

const engine = new MatrixEngine({ threads: 1 });
afterAll(() => engine.dispose());

const features = { data: Float32Array.of(1, 5, 1e6, 3, 5, 1e6 + 1, 5, 5, 1e6 + 2, 7, 5, 1e6 + 3), rows: 4, cols: 3 };

it("has the mean and the population deviation of every column, and leaves constant ones alone", () => {
  const { mean, scale } = fitStandardizer(features);
  expect(Array.from(mean)).toEqual([4, 5, 1e6 + 1.5]);
  expect(Array.from(scale)).toEqual([Math.sqrt(5), 1, Math.sqrt(1.25)]);
});

it("standardises, item per row", () => {
  const rows = standardize(features, fitStandardizer(features));
  expect(rows.data[0]).toBeCloseTo(-3 / Math.sqrt(5), 6);
  expect([rows.data[1], rows.data[2]]).toEqual([0, expect.closeTo(-1.5 / Math.sqrt(1.25), 6)]);
});

it.each(["standardizeGram", "standardizeColumns"] as const)("%s does the same for several models", async (graph) => {
  const other = { ...features, data: features.data.map((value, at) => Math.sin(at) * value) };
  const x = { data: Float32Array.of(...features.data, ...other.data), count: 2, rows: 4, cols: 3 };
  const { floats, doubles } = await engine.run(graph, {
    x,
    ones: { data: new Float32Array(4).fill(1), rows: 1, cols: 4 },
  });
  for (const [model, one] of [features, other].entries()) {
    const { mean, scale } = fitStandardizer(one);
    const part = <T extends Float32Array | Float64Array>(all: T, size: number) =>
      all.subarray(model * size, (model + 1) * size);
    part(doubles("mean"), 3).forEach((value, j) => expect(value / (mean[j] ?? NaN)).toBeCloseTo(1, 14));
    part(doubles("scale"), 3).forEach((value, j) => expect(value / (scale[j] ?? NaN)).toBeCloseTo(1, 12));
    const rows = standardize(one, { mean, scale });
    const expected =
      graph === "standardizeGram" ? await engine.multiply(rows, rows, { transposeB: true }) : transpose(rows);
    const got = part(floats(graph === "standardizeGram" ? "grams" : "columns"), expected.data.length + 4);
    expected.data.forEach((value, at) => expect(got[at]).toBeCloseTo(value, 5));
    expect(Array.from(got.subarray(expected.data.length))).toEqual([1, 1, 1, 1]);
    if (graph === "standardizeGram")
      part(floats("z"), 12).forEach((value, at) => expect(value).toBeCloseTo(rows.data[at] ?? NaN, 6));
  }
});
