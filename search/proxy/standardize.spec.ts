import { expect, it } from "vitest";
import { fitStandardizer, standardize, standardizeTransposedInto } from "./standardize.ts";
import { transpose } from "./transpose.ts";

const features = { data: Float32Array.of(1, 5, 1e6, 3, 5, 1e6 + 1, 5, 5, 1e6 + 2, 7, 5, 1e6 + 3), rows: 4, cols: 3 };

it("has the mean and the population deviation of every column, and leaves constant ones alone", () => {
  const { mean, scale } = fitStandardizer(features);
  expect(Array.from(mean)).toEqual([4, 5, 1e6 + 1.5]);
  expect(Array.from(scale)).toEqual([Math.sqrt(5), 1, Math.sqrt(1.25)]);
});

it("standardises both ways alike", () => {
  const standardizer = fitStandardizer(features);
  const rows = standardize(features, standardizer);
  expect(rows.data[0]).toBeCloseTo(-3 / Math.sqrt(5), 6);
  expect([rows.data[1], rows.data[2]]).toEqual([0, expect.closeTo(-1.5 / Math.sqrt(1.25), 6)]);
  const columns = { data: new Float32Array(12), rows: 3, cols: 4 };
  standardizeTransposedInto(columns.data, features, standardizer);
  transpose(columns).data.forEach((value, at) => expect(value).toBeCloseTo(rows.data[at] ?? NaN, 6));
});
