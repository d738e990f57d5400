import { describe, expect, it } from "vitest";
import { BufferPool, movingBuffer } from "./buffer-pool.ts";

describe("BufferPool", () => {
  it("gives a buffer again that is about as large as what is asked for", () => {
    const pool = new BufferPool(1e6, movingBuffer);
    const first = pool.take(100_000);
    expect(first.byteLength).toBeGreaterThanOrEqual(100_000);
    expect(first.byteLength).toBeLessThanOrEqual(112_500);
    pool.give(first);
    expect(pool.take(99_000)).toBe(first);
    expect(pool.take(99_000)).not.toBe(first);
  });

  it("keeps what is in use and what waits within the limit together", () => {
    const pool = new BufferPool(300_000, movingBuffer);
    const buffers = [100_000, 60_000, 30_000].map((bytes) => pool.take(bytes));
    for (const buffer of buffers) pool.give(buffer);
    expect(pool.bytes).toBeLessThanOrEqual(300_000);
    const large = pool.take(280_000);
    expect(pool.bytes).toBeLessThanOrEqual(300_000);
    pool.give(large);
    expect(pool.bytes).toBeLessThanOrEqual(300_000);
  });

  it("still gives what is needed beyond the limit, and keeps none of it", () => {
    const pool = new BufferPool(1000, movingBuffer);
    const buffer = pool.take(50_000);
    expect(pool.bytes).toBeGreaterThanOrEqual(50_000);
    pool.give(buffer);
    expect(pool.bytes).toBe(0);
  });
});
