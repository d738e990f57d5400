import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BufferPool, movingBuffer, sharedBuffer } from "./buffer-pool.ts";
import { keepInMemory, keepOnDisk, keepShared, type LaneWriter } from "./lane-results.ts";

const batches = [0, 1].map((batch) => ({ items: [2 * batch, 2 * batch + 1], rows: 2, length: null }));
const dims = batches.map(() => [2, 3]);
const BYTES = 2 * 3 * 4;

let folder: string;
let pool: BufferPool;
let sharedPool: BufferPool<SharedArrayBuffer>;
const poolBytes = (): number => pool.bytes + sharedPool.bytes;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "alsatian-results-"));
  pool = new BufferPool(1e6, movingBuffer);
  sharedPool = new BufferPool(1e6, sharedBuffer);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function compute(writer: LaneWriter, batch: number): void {
  const value = writer.begin(batch);
  new Float32Array(value.buffer, 0, 6).fill(batch + 1);
  writer.commit(batch, value);
}

const first = (writer: LaneWriter, batch: number): number => {
  const values = writer.take(batch);
  const found = new Float32Array(values["x"]?.buffer ?? new ArrayBuffer(4))[0] ?? NaN;
  writer.give(batch, values);
  return found;
};

describe.each([
  { name: "memory", make: () => keepInMemory(pool, batches, dims), bytes: 2 * BYTES },
  { name: "shared memory", make: () => keepShared(sharedPool, batches, dims), bytes: 2 * BYTES },
  { name: "disk", make: () => keepOnDisk(pool, batches, dims, { bytes: BYTES, folder }), bytes: BYTES },
])("a result in $name", ({ make, bytes }) => {
  it("has each batch for those who wait for it, as soon as it is there, whatever the order", async () => {
    const result = make();
    const seen: number[] = [];
    const reading = [0, 1].map(async (batch) => {
      await result.reserve(batch);
      seen.push(first(result, batch));
    });
    compute(result, 1);
    await reading[1];
    expect(seen).toEqual([2]);
    compute(result, 0);
    await reading[0];
    expect(seen).toEqual([2, 1]);
    expect(result.bytes).toBe(bytes);
    result.release();
  });

  it("tells all who wait for a batch, and all who will, why it is not computed", async () => {
    const result = make();
    const waiting = result.reserve(0);
    result.fail(0, new Error("the disk is full"));
    await expect(waiting).rejects.toThrow("the disk is full");
    await expect(result.reserve(0)).rejects.toThrow("the disk is full");
    compute(result, 1);
    await result.reserve(1);
    expect(first(result, 1)).toBe(2);
    result.release();
  });

  it("leaves nothing behind", async () => {
    const result = make();
    compute(result, 0);
    compute(result, 1);
    await result.reserve(0);
    first(result, 0);
    result.release();
    expect(await readdir(folder)).toEqual([]);
    // its buffers serve the next one
    const before = poolBytes();
    const next = make();
    compute(next, 0);
    expect(poolBytes()).toBe(before);
    next.release();
  });
});

it("has a batch in shared memory for all who want it at a time", async () => {
  const result = keepShared(sharedPool, batches, dims);
  compute(result, 1);
  await result.reserve(1);
  const values = result.take(1);
  await result.reserve(1);
  expect(result.take(1)["x"]?.buffer).toBe(values["x"]?.buffer);
  result.release();
});

describe("a result in memory", () => {
  it("is there for the next one when who reserved it has not taken it", async () => {
    const result = keepInMemory(pool, batches, dims);
    compute(result, 0);
    await result.reserve(0);
    result.give(0, null);
    await result.reserve(0);
    expect(first(result, 0)).toBe(1);
  });

  it("is lent to one at a time: a buffer that is out with a thread is not there", async () => {
    const result = keepInMemory(pool, batches, dims);
    compute(result, 0);
    await result.reserve(0);
    const values = result.take(0);
    let isNext = false;
    const next = result.reserve(0).then(() => (isNext = true));
    await new Promise(setImmediate);
    expect(isNext).toBe(false);
    result.give(0, values);
    await next;
    expect(first(result, 0)).toBe(1);
  });
});
