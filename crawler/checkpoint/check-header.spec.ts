import { describe, expect, it } from "vitest";
import { checkHeader } from "./check-header.ts";
import type { CheckpointTensor } from "./open-checkpoint.ts";

const json = Buffer.from(
  JSON.stringify({
    a: { dtype: "F32", shape: [2], data_offsets: [0, 8] },
    b: { dtype: "F16", shape: [1], data_offsets: [8, 10] },
  }),
);
const length = Buffer.alloc(8);
length.writeBigUInt64LE(BigInt(json.byteLength));
const whole = Buffer.concat([length, json, Buffer.alloc(10)]);
const file = { path: "model.safetensors", size: whole.byteLength };
const start = 8 + json.byteLength;
const known: CheckpointTensor[] = [
  { name: "b", file: file.path, dtype: "F16", shape: [1], begin: start + 8, end: start + 10 },
  { name: "a", file: file.path, dtype: "F32", shape: [2], begin: start, end: start + 8 },
  { name: "c", file: "another.safetensors", dtype: "F32", shape: [], begin: 0, end: 4 },
];

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const piece = new Uint8Array(size); // used again and again
  for (let at = 0; at < bytes.byteLength; at += size) {
    const part = bytes.subarray(at, at + size);
    piece.set(part);
    yield await Promise.resolve(piece.subarray(0, part.byteLength));
  }
}

async function read(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}

describe("checkHeader", () => {
  it("passes on all bytes, whatever the pieces", async () => {
    for (const size of [1, 3, 7, 8, 9, 50, 1000]) {
      expect(await read(checkHeader(inPieces(whole, size), file, known))).toEqual(whole);
    }
  });

  it.each([
    ["a tensor elsewhere", known.map((tensor) => (tensor.name === "a" ? { ...tensor, begin: start + 4 } : tensor))],
    ["a tensor less", known.slice(1)],
    ["another type", known.map((tensor) => (tensor.name === "b" ? { ...tensor, dtype: "BF16" as const } : tensor))],
  ])("refuses a file whose header was read as something else: %s", async (_what, other) => {
    await expect(read(checkHeader(inPieces(whole, 16), file, other))).rejects.toThrow("read apart");
  });

  it("refuses a file that ends in its header", async () => {
    await expect(read(checkHeader(inPieces(whole.subarray(0, 20), 5), file, known))).rejects.toThrow();
  });
});
