import { expect, it } from "vitest";
import { FeatureRows } from "./feature-rows.ts";

it("puts rows of the wanted items into their order, whatever batch they come in, and leaves out the others", () => {
  const wanted = new FeatureRows({ begin: 3, end: 6 });
  const batches = [
    { items: [5, 2], rows: 3, length: null }, // the last row fills up the batch
    { items: [0, 1], rows: 2, length: null },
    { items: [4, 3], rows: 2, length: null },
  ];
  expect(batches.map((batch) => wanted.wants(batch))).toEqual([true, false, true]);
  wanted.add({ items: [5, 2], rows: 3, length: null }, Float32Array.of(50, 51, 20, 21, 9, 9));
  wanted.add({ items: [4, 3], rows: 2, length: null }, Float32Array.of(40, 41, 30, 31));
  expect([...wanted.rows]).toEqual([30, 31, 40, 41, 50, 51]);
});
