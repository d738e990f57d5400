import { describe, expect, it } from "vitest";
import type { CheckpointTensor } from "./checkpoint/open-checkpoint.ts";
import { fetchTensors, planRanges } from "./fetch-tensors.ts";
import type { Repository } from "./repository.ts";

const tensor = (name: string, begin: number, end: number): CheckpointTensor => ({
  name,
  begin,
  end,
  dtype: "U8",
  shape: [end - begin],
  file: "f",
});

describe("planRanges", () => {
  it("reads small gaps along, and large ones not", () => {
    const ranges = planRanges([tensor("c", 200, 210), tensor("a", 0, 10), tensor("b", 15, 20)], 10);
    expect(ranges.map(({ begin, end }) => [begin, end])).toEqual([
      [0, 20],
      [200, 210],
    ]);
  });

  it("gives tensors in the same bytes ranges of their own", () => {
    const ranges = planRanges([tensor("a", 0, 10), tensor("tied", 0, 10), tensor("part", 5, 8), tensor("b", 10, 20)]);
    expect(ranges.map(({ tensors }) => tensors.map(({ name }) => name))).toEqual([["a"], ["tied"], ["part", "b"]]);
  });
});

describe("fetchTensors", () => {
  /** A transposed matrix of bytes, larger than a piece. */
  const [rows, columns] = [700, 500];
  const stored = Uint8Array.from({ length: rows * columns }, (_, index) => (index * 7919) % 251);
  const transposed: CheckpointTensor = {
    ...tensor("t", 0, rows * columns),
    shape: [columns, rows],
    strides: [1, columns],
  };
  const repository = (onChunk: () => void = () => undefined): Repository => ({
    id: "a/b",
    revision: "0".repeat(40),
    listFiles: () => Promise.resolve([]),
    readFile: () => Promise.resolve(stored),
    async *readRange(_path, begin, end) {
      for (let at = begin; at < end; at += 1000) {
        onChunk();
        yield await Promise.resolve(stored.subarray(at, Math.min(end, at + 1000)));
      }
    },
  });

  async function read(from: Repository): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let next = 0;
    for await (const { offset, bytes } of fetchTensors(from, planRanges([transposed]))) {
      expect(offset).toBe(next);
      next += bytes.byteLength;
      parts.push(bytes);
    }
    expect(parts.length).toBeGreaterThan(1);
    return Buffer.concat(parts);
  }

  it("puts a tensor in order and passes it on in pieces, several readers one after the other", async () => {
    const expected = Uint8Array.from(stored, (_, at) => stored[(at % rows) * columns + Math.floor(at / rows)] ?? 0);
    for (const result of await Promise.all([read(repository()), read(repository()), read(repository())])) {
      expect(Buffer.compare(result, expected)).toBe(0);
    }
  });

  it("lets the next reader go on when one fails in the middle", async () => {
    let chunks = 0;
    const broken = repository(() => {
      if (++chunks === 5) throw new Error("cut");
    });
    await expect(read(broken)).rejects.toThrow("cut");
    expect((await read(repository())).byteLength).toBe(stored.byteLength);
  });
});
