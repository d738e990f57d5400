import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeChunk } from "../local-hub/xet/encode-chunk.ts";
import { groupBytes, ungroupBytes } from "./byte-grouping.ts";
import { XetError } from "./xet-error.ts";
import { CHUNK_HEADER_BYTES, decodeXorb, MAX_CHUNK_BYTES, parseChunkHeader } from "./xorb-chunk.ts";

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

async function decodeAll(bytes: Uint8Array, pieceBytes = bytes.length): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of decodeXorb(inPieces(bytes, pieceBytes))) chunks.push(Buffer.from(chunk));
  return chunks;
}

describe("a xorb's chunks", () => {
  it("group bytes by their place in a word", () => {
    const bytes = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    expect([...groupBytes(bytes)]).toEqual([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7]);
    expect(ungroupBytes(groupBytes(bytes))).toEqual(bytes);
  });

  it("come out as they went in, however the bytes arrive", async () => {
    const content = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 500 }),
      fc.float32Array({ minLength: 1, maxLength: 200 }).map(({ buffer }) => new Uint8Array(buffer)),
      fc
        .tuple(fc.nat(255), fc.integer({ min: 1, max: MAX_CHUNK_BYTES }))
        .map(([byte, n]) => new Uint8Array(n).fill(byte)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(content, { maxLength: 5 }), fc.integer({ min: 1, max: 700 }), async (chunks, size) => {
        const xorb = Buffer.concat(chunks.map(encodeChunk));
        const decoded = await decodeAll(xorb, size);
        expect(decoded.map((chunk, index) => chunk.equals(chunks[index] ?? Buffer.alloc(0)))).toEqual(
          chunks.map(() => true),
        );
      }),
      { numRuns: 200 },
    );
  });

  it("say what is wrong with them before anything is allocated", async () => {
    const chunk = encodeChunk(Buffer.alloc(1000, 1));
    const changed = (at: number, ...values: number[]): Uint8Array => {
      const copy = Uint8Array.from(chunk);
      copy.set(values, at);
      return copy;
    };
    expect(() => parseChunkHeader(changed(0, 1))).toThrow("version 1");
    expect(() => parseChunkHeader(changed(5, 0xff, 0xff, 0xff))).toThrow("16777215 bytes");
    expect(() => parseChunkHeader(changed(1, 0xff, 0xff, 0xff))).toThrow("16777215 compressed");
    await expect(decodeAll(changed(4, 9))).rejects.toThrow("unknown compression 9");
    await expect(decodeAll(changed(5, 1, 0, 0))).rejects.toThrow(XetError);
    await expect(decodeAll(changed(4, 0))).rejects.toThrow("stored as");
    await expect(decodeAll(chunk.subarray(0, -1))).rejects.toThrow("in the middle of a chunk");
    await expect(decodeAll(chunk.subarray(0, CHUNK_HEADER_BYTES - 1))).rejects.toThrow("in the middle of a chunk");
  });
});
