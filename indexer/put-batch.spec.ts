import { afterEach, describe, expect, it, vi } from "vitest";
import { sampleBlock, sampleModel } from "../test/catalog/sample-models.ts";
import type { IndexedModelWithDetails } from "./catalog/records.ts";
import { PutBatch } from "./put-batch.ts";

afterEach(() => void vi.useRealTimers());

/** A catalog that notes the ids of each step. */
function setUp(write: () => Promise<void> = () => Promise.resolve()) {
  const steps: string[][] = [];
  const written: string[] = [];
  const puts = new PutBatch({
    putModels: async (models: readonly IndexedModelWithDetails[]) => {
      steps.push(models.map(({ model }) => model.modelId));
      await write();
    },
  });
  const add = (id: string, blocks = 0) => {
    const chain = Array.from({ length: blocks }, (_, index) => sampleBlock(`${id}${index}`));
    return puts.add(sampleModel(id, chain), () => void written.push(id));
  };
  return { puts, steps, written, add };
}

describe("PutBatch", () => {
  it("writes many models in one step, when there are enough or all is to be written", async () => {
    const { puts, steps, written, add } = setUp();
    const ids = Array.from({ length: 100 }, (_, index) => `org/${index}`);
    for (const id of ids) await add(id);
    expect(steps).toEqual([ids.slice(0, 64)]);
    expect(written).toEqual(ids.slice(0, 64));
    await puts.finish();
    expect(steps).toEqual([ids.slice(0, 64), ids.slice(64)]);
    expect(written).toEqual(ids);
  });

  it("writes a model that has blocks at once, and what waits with it", async () => {
    const { steps, written, add } = setUp();
    await add("org/a");
    await add("org/b", 1);
    expect(steps).toEqual([["org/a", "org/b"]]);
    expect(written).toEqual(["org/a", "org/b"]);
  });

  it("lets nothing wait for long", async () => {
    vi.useFakeTimers();
    const { written, add } = setUp();
    await add("org/a");
    expect(written).toEqual([]);
    await vi.advanceTimersByTimeAsync(500);
    expect(written).toEqual(["org/a"]);
  });

  it("writes a model that comes again after the first", async () => {
    const { puts, steps, add } = setUp();
    await add("org/a");
    await add("org/a");
    await puts.finish();
    expect(steps).toEqual([["org/a"], ["org/a"]]);
  });

  it("throws a failure at whoever comes next and at the end, and writes nothing after it", async () => {
    vi.useFakeTimers();
    const { puts, steps, written, add } = setUp(() => Promise.reject(new Error("the disk is full")));
    await add("org/a");
    await vi.advanceTimersByTimeAsync(500);
    await expect(add("org/b")).rejects.toThrow("the disk is full");
    await expect(puts.finish()).rejects.toThrow("the disk is full");
    expect([steps, written]).toEqual([[["org/a"]], []]);
  });
});
