import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { equalRanges } from "./equal-ranges.ts";
import { withReadChunks, type FileTerm } from "./file-term.ts";

const term = (xorb: string, start: number, end: number, begin: number, bytes: number): FileTerm => ({
  ...{ xorb, start, end, begin, bytes },
  lengths: null,
});

describe("withReadChunks", () => {
  it("cuts a term where its chunks were read", () => {
    const chunks = [
      { xorb: "x", index: 2, begin: 25, bytes: 5 },
      { xorb: "x", index: 3, begin: 30, bytes: 7 },
    ];
    expect(withReadChunks([term("x", 0, 8, 10, 90)], chunks)).toEqual([
      term("x", 0, 2, 10, 15),
      { ...term("x", 2, 4, 25, 12), lengths: [5, 7] },
      term("x", 4, 8, 37, 63),
    ]);
  });
});

describe("equalRanges", () => {
  it("finds equal terms, wherever they lie", () => {
    const file = [term("new", 0, 1, 0, 9), term("x", 0, 4, 9, 40)];
    expect(equalRanges(file, [term("x", 0, 4, 100, 40)])).toEqual([{ begin: 9, end: 49, otherBegin: 100 }]);
  });

  it("finds parts of terms that share an edge, and no others", () => {
    const other = [term("x", 0, 64, 0, 640)];
    expect(equalRanges([term("x", 0, 60, 0, 600)], other)).toEqual([{ begin: 0, end: 600, otherBegin: 0 }]);
    expect(equalRanges([term("x", 4, 60, 0, 560)], other)).toEqual([]); // where in the other file chunk 4 begins is not known
    const read = [{ ...term("x", 0, 5, 0, 50), lengths: [9, 11, 10, 10, 10] }, term("x", 5, 64, 50, 590)];
    expect(equalRanges([term("x", 4, 60, 7, 560)], read)).toEqual([{ begin: 7, end: 567, otherBegin: 40 }]);
  });

  it("believes no terms that contradict each other", () => {
    expect(equalRanges([term("x", 0, 4, 0, 40)], [term("x", 0, 4, 0, 41)])).toEqual([]);
  });

  it("never calls bytes equal that are not, whatever was read", () => {
    // xorbs with random lengths of chunks; files are runs of their chunks; each file knows the lengths of some
    const xorb = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 4, maxLength: 12 });
    const run = fc.record({
      xorb: fc.nat(2),
      start: fc.nat(11),
      count: fc.integer({ min: 1, max: 8 }),
      read: fc.nat(255),
    });
    const runs = fc.array(run, { minLength: 1, maxLength: 6 });
    let found = 0;
    fc.assert(
      fc.property(fc.tuple(xorb, xorb, xorb), runs, runs, (xorbs, one, two) => {
        const [a, b] = [buildFile(xorbs, one), buildFile(xorbs, two)];
        for (const { begin, end, otherBegin } of equalRanges(a.terms, b.terms)) {
          expect(a.bytes.slice(begin, end)).toEqual(b.bytes.slice(otherBegin, otherBegin + end - begin));
          expect(end).toBeGreaterThan(begin);
          found++;
        }
      }),
      { numRuns: 5000 },
    );
    expect(found).toBeGreaterThan(1000);
  });
});

/** A file whose bytes are named by xorb and position, so that equal bytes are the same bytes. */
function buildFile(
  xorbs: readonly (readonly number[])[],
  runs: readonly { readonly xorb: number; readonly start: number; readonly count: number; readonly read: number }[],
): { readonly bytes: string[]; readonly terms: FileTerm[] } {
  const bytes: string[] = [];
  const terms: FileTerm[] = [];
  for (const { xorb, start, count, read } of runs) {
    const lengths = xorbs[xorb] ?? [];
    const from = Math.min(start, lengths.length - 1);
    const to = Math.min(lengths.length, from + count);
    const whole = { ...term(String(xorb), from, to, bytes.length, 0), bytes: sum(lengths.slice(from, to)) };
    const chunks = [];
    for (let index = from; index < to; index++) {
      const length = lengths[index] ?? 0;
      if (read & (1 << (index - from))) chunks.push({ xorb: String(xorb), index, begin: bytes.length, bytes: length });
      for (let i = 0; i < length; i++) bytes.push(`${xorb}/${sum(lengths.slice(0, index)) + i}`);
    }
    terms.push(...withReadChunks([whole], chunks));
  }
  return { bytes, terms };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
