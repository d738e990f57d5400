import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { groupBatches } from "./group-batches.ts";

const batchesOf = (count: number, rows: number, length: number | null = null) =>
  Array.from({ length: count }, () => ({ items: [], rows, length }));

describe("groupBatches", () => {
  it.each([
    { what: "as many for each lane", batches: batchesOf(8, 25), lanes: 2, groups: [4, 4] },
    { what: "no more than 128 rows", batches: batchesOf(12, 30), lanes: 2, groups: [3, 3, 3, 3] },
    { what: "none where each lane has one", batches: batchesOf(2, 20), lanes: 2, groups: [1, 1] },
    { what: "none of texts", batches: batchesOf(8, 25, 12), lanes: 2, groups: [1, 1, 1, 1, 1, 1, 1, 1] },
    { what: "all where there is one lane", batches: batchesOf(4, 32), lanes: 1, groups: [4] },
  ])("makes $what", ({ batches, lanes, groups }) => {
    expect(groupBatches(batches, 8192, lanes).map((group) => group.length)).toEqual(groups);
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
        (count, rows, lanes) => {
          const groups = groupBatches(batchesOf(count, rows), 100, lanes);
          expect(groups.flat()).toEqual(Array.from({ length: count }, (_, index) => index));
          expect(groups.every((group) => group.length > 0)).toBe(true);
        },
      ),
    );
  });
});
