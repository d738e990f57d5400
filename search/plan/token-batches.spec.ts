import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { measureTokens, tokenBatches } from "./token-batches.ts";

const loose = (size: number) => ({ size, isFixed: false });

describe("tokenBatches", () => {
  it("puts like lengths together", () => {
    const lengths = Int32Array.from([9, 3, 8, 3, 1, 7]);
    expect(tokenBatches(lengths, { begin: 0, end: 6 }, loose(2))).toEqual([
      { items: [0, 2], rows: 2, length: 9 },
      { items: [5, 1], rows: 2, length: 7 },
      { items: [3, 4], rows: 2, length: 3 },
    ]);
    expect(measureTokens(lengths, loose(2))("root", { begin: 0, end: 6 })).toEqual({ items: 6, tokens: 38 });
  });

  it("fills up batches of fixed size, in rows of few lengths, none longer than the longest text", () => {
    const lengths = Int32Array.from([40, 3, 17, 3, 1]);
    const rule = { size: 2, isFixed: true };
    expect(tokenBatches(lengths, { begin: 0, end: 5 }, rule)).toEqual([
      { items: [0, 2], rows: 2, length: 40 },
      { items: [1, 3], rows: 2, length: 16 },
      { items: [4], rows: 2, length: 16 },
    ]);
    expect(measureTokens(lengths, rule)("root", { begin: 0, end: 5 })).toEqual({ items: 6, tokens: 144 });
    expect(tokenBatches(lengths, { begin: 1, end: 2 }, rule)).toEqual([{ items: [1], rows: 1, length: 16 }]);
  });

  it("takes every item of the range once, and none is longer than its batch", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 512 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat({ max: 59 }),
        (list, size, from) => {
          const range = { begin: Math.min(from, list.length - 1), end: list.length };
          const batches = tokenBatches(Int32Array.from(list), range, loose(size));
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
