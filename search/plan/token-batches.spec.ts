import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { measureTokens, tokenBatches } from "./token-batches.ts";

describe("tokenBatches", () => {
  it("puts like lengths together", () => {
    const lengths = Int32Array.from([9, 3, 8, 3, 1, 7]);
    expect(tokenBatches(lengths, { begin: 0, end: 6 }, 2)).toEqual([
      { items: [0, 2], length: 9 },
      { items: [5, 1], length: 7 },
      { items: [3, 4], length: 3 },
    ]);
    expect(measureTokens(lengths, 2)("root", { begin: 0, end: 6 })).toEqual({ items: 6, tokens: 38 });
  });

  it("takes every item of the range once, and none is longer than its batch", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 512 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat({ max: 59 }),
        (list, size, from) => {
          const range = { begin: Math.min(from, list.length - 1), end: list.length };
          const batches = tokenBatches(Int32Array.from(list), range, size);
          const items = batches.flatMap((batch) => batch.items).sort((a, b) => a - b);
          expect(items).toEqual(Array.from({ length: range.end - range.begin }, (_, index) => range.begin + index));
          for (const batch of batches) {
            expect(batch.items.length).toBeLessThanOrEqual(size);
            expect(Math.max(...batch.items.map((item) => list[item] ?? 0))).toBe(batch.length);
          }
        },
      ),
    );
  });
});
