import { describe, expect, it } from "vitest";
import { elementCount } from "../../crawler/export/graph.ts";
import { BatchStack } from "./batch-stack.ts";
import type { LaneBatch, TensorData } from "./lane-job.ts";

const floats = (values: readonly number[], columns: number, capacity = values.length) => {
  const data = new Float32Array(capacity);
  data.set(values);
  return { type: "float32" as const, dims: [values.length / columns, columns], buffer: data.buffer };
};
const batchOf = (values: readonly number[], capacity?: number): LaneBatch => ({
  feeds: { x: floats(values, 2, capacity) },
  into: floats(new Array<number>(values.length / 2).fill(0), 1, capacity),
});
const valuesOf = ({ dims, buffer }: TensorData = floats([], 1)): number[] => [
  ...new Float32Array(buffer, 0, elementCount(dims)),
];

describe("BatchStack", () => {
  it("puts the rows of batches one below the other, and their results back", () => {
    const stack = new BatchStack();
    // buffers may be longer than their values, and those that the stack keeps are, the second time
    for (const batches of [
      [batchOf([1, 2, 3, 4, 5, 6], 9), batchOf([7, 8])],
      [batchOf([9, 10]), batchOf([11, 12], 5)],
    ]) {
      const stacked = stack.stack(batches);
      const values = valuesOf(stacked.feeds["x"]);
      expect(values).toEqual(batches.flatMap(({ feeds }) => valuesOf(feeds["x"])));
      expect(stacked.into.dims).toEqual([values.length / 2, 1]);
      new Float32Array(stacked.into.buffer).set(
        values.filter((_value, index) => index % 2 === 0).map((value) => -value),
      );
      stack.unstack(stacked, batches);
      for (const { feeds, into } of batches) {
        expect(valuesOf(into)).toEqual(valuesOf(feeds["x"]).flatMap((value, index) => (index % 2 === 0 ? -value : [])));
      }
    }
  });

  it("takes one batch as it is", () => {
    const batch = batchOf([1, 2]);
    expect(new BatchStack().stack([batch])).toBe(batch);
  });

  it("copies one that lies in shared memory, and its result back", () => {
    const shared = new Float32Array(new SharedArrayBuffer(12)).fill(3);
    const into = { type: "float32" as const, dims: [1, 2], buffer: shared.buffer };
    const batch = { feeds: { x: floats([1, 2], 2) }, into };
    const stack = new BatchStack();
    const stacked = stack.stack([batch]);
    expect(valuesOf(stacked.feeds["x"])).toEqual([1, 2]);
    expect(stacked.into.buffer).toBeInstanceOf(ArrayBuffer);
    new Float32Array(stacked.into.buffer).set([5, 6]);
    stack.unstack(stacked, [batch]);
    expect([...shared]).toEqual([5, 6, 3]);
  });
});
