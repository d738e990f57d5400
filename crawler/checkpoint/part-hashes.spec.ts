import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PartHashes, sha256Of } from "./part-hashes.ts";

const bytes = Uint8Array.from({ length: 200 }, (_, index) => index);
const part = fc
  .tuple(fc.integer({ min: 0, max: 199 }), fc.integer({ min: 1, max: 200 }))
  .filter(([begin, end]) => begin < end)
  .map(([begin, end]) => ({ begin, end }));

describe("PartHashes", () => {
  it("hashes parts, however they overlap and wherever the bytes are cut", () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), fc.integer({ min: 1, max: 250 }), (parts, piece) => {
        const hashes = new PartHashes(parts);
        for (let at = 0; at < bytes.byteLength; at += piece) hashes.add(bytes.subarray(at, at + piece));
        for (const { begin, end } of parts) {
          expect(hashes.sha256({ begin, end })).toBe(sha256Of(bytes.subarray(begin, end)));
        }
      }),
    );
  });

  it("has none of a part that was not asked for, or that the file did not have", () => {
    const hashes = new PartHashes([{ begin: 100, end: 201 }]);
    hashes.add(bytes);
    expect(hashes.sha256({ begin: 100, end: 201 })).toBeUndefined();
    expect(hashes.sha256({ begin: 0, end: 1 })).toBeUndefined();
  });
});
