import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { groupBatches } from "./group-batches.ts";

const batchesOf = (count: number, rows: number, length: number | null = null) =>
  Array.from({ length: count }, () => ({ items: [], rows, length }));

describe("groupBatches", () => {
  it.each([
    { what: "as many for each part", batches: batchesOf(8, 25), parts: 2, groups: [4, 4] },
    { what: "no more than 256 rows", batches: batchesOf(24, 30), parts: 2, groups: [6, 6, 6, 6] },
    { what: "none where each part is one", batches: batchesOf(2, 20), parts: 2, groups: [1, 1] },
    { what: "none of texts", batches: batchesOf(8, 25, 12), parts: 2, groups: [1, 1, 1, 1, 1, 1, 1, 1] },
    { what: "all for one part", batches: batchesOf(4, 32), parts: 1, groups: [4] },
  ])("makes $what", ({ batches, parts, groups }) => {
    expect(groupBatches(batches, 8192, parts).map((group) => group.length)).toEqual(groups);
  });

  it("leaves batches of large values alone", () => {
    expect(groupBatches(batchesOf(3, 4), 65_536, 1)).toEqual([[0], [1], [2]]);
  });

  it("has every batch once, in order", () => {
    fc.assert(
      fc.property(
        fc.nat(200),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 9 }),
        (count, rows, parts) => {
          const groups = groupBatches(batchesOf(count, rows), 100, parts);
          expect(groups.flat()).toEqual(Array.from({ length: count }, (_, index) => index));
          expect(groups.every((group) => group.length > 0)).toBe(true);
        },
      ),
    );
  });
});
