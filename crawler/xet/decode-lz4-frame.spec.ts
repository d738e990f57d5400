import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeLz4Frame } from "../local-hub/xet/encode-lz4-frame.ts";
import { decodeLz4Frame } from "./decode-lz4-frame.ts";
import { XetError } from "./xet-error.ts";

const SENTENCE = "the quick brown fox jumps over the lazy dog, then the quick brown fox sleeps. ";
const MIXED = Buffer.concat([Buffer.from(SENTENCE.repeat(3)), Uint8Array.from(Array(64).keys()), Buffer.alloc(300)]);
const BYTES = Buffer.concat(Array.from({ length: 300 }, () => Uint8Array.from(Array(256).keys())));

/** Frames that the reference library (liblz4) wrote. */
const FRAMES: readonly (readonly [string, Buffer, string])[] = [
  [
    "independent blocks",
    MIXED,
    "BCJNGGBAgpIAAADwEHRoZSBxdWljayBicm93biBmb3gganVtcHMgb3ZlciAfAJBsYXp5IGRvZywOABBuBQANMgB/c2xlZXBzLhwAAg9OAHX/MgABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8AAQD/FFAAAAAAAAAAAAA=",
  ],
  [
    "linked blocks, size and all checksums",
    MIXED,
    "BCJNGHxAVgIAAAAAAAAWkgAAAPAQdGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIB8AkGxhenkgZG9nLA4AEG4FAA0yAH9zbGVlcHMuHAACD04Adf8yAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+PwABAP8UUAAAAAAAALY6yAAAAAC4ueWa",
  ],
  [
    "several blocks, each with matches in the one before",
    BYTES,
    "BCJNGERAXgoCAAD/8QABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj9AQUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpbXF1eX2BhYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ent8fX5/gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp+goaKjpKWmp6ipqqusra6vsLGys7S1tre4ubq7vL2+v8DBwsPExcbHyMnKy8zNzs/Q0dLT1NXW19jZ2tvc3d7f4OHi4+Tl5ufo6err7O3u7/Dx8vP09fb3+Pn6+/z9/v8AAf///////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////+dQ+/z9/v82AAAADwD///////////////////////////////////////////////////////////8UUPv8/f7/AAAAACJiRZg=",
  ],
];

describe("decodeLz4Frame", () => {
  it.each(FRAMES)("reads a frame of the reference library: %s", (_, content, base64) => {
    expect(Buffer.from(decodeLz4Frame(Buffer.from(base64, "base64"), content.length)).equals(content)).toBe(true);
  });

  it("finds every changed byte of a frame with a checksum, or unpacks the same", () => {
    const frame = Buffer.from(FRAMES[1]?.[2] ?? "", "base64");
    for (let at = 0; at < frame.length; at++) {
      const spoilt = frame.with(at, (frame[at] ?? 0) ^ 0x41);
      expect(() => decodeLz4Frame(spoilt, MIXED.length), `byte ${at}`).toThrow(XetError);
    }
  });

  it("refuses a frame that holds more or less than was announced", () => {
    for (const [, content, base64] of FRAMES) {
      for (const length of [content.length - 1, content.length + 1, 0]) {
        expect(() => decodeLz4Frame(Buffer.from(base64, "base64"), length)).toThrow(XetError);
      }
    }
  });

  it("reads what encodeLz4Frame writes", () => {
    const runs = fc.array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 400 })), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(runs, (parts) => {
        const bytes = Buffer.concat(parts.flatMap(([part, times]) => Array.from({ length: times }, () => part)));
        expect(Buffer.from(decodeLz4Frame(encodeLz4Frame(bytes), bytes.length)).equals(bytes)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it("throws nothing but XetError, whatever the bytes are", () => {
    const frame = Buffer.from(FRAMES[0]?.[2] ?? "", "base64");
    const edits = fc.array(fc.tuple(fc.nat(frame.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(edits, fc.nat(frame.length), (changes, length) => {
        const spoilt = Uint8Array.from(frame.subarray(0, length));
        for (const [at, value] of changes) if (at >= 7 && at < length) spoilt[at] = value;
        try {
          expect(decodeLz4Frame(spoilt, MIXED.length)).toHaveLength(MIXED.length);
        } catch (error) {
          expect(error).toBeInstanceOf(XetError);
        }
      }),
      { numRuns: 10_000 },
    );
  });
});
