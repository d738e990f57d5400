import { describe, expect, it } from "vitest";
import { candidateOf } from "../test/plan/tree-fixtures.ts";
import { defaultBatch } from "./default-batch.ts";

/** A model whose largest value takes so many bytes, and each of whose blocks so many operations. */
const candidates = (perItem: number, flopsPerItem = 1) =>
  [candidateOf("m", "abc")].map((candidate) => ({
    ...candidate,
    blocks: candidate.blocks.map((block) => ({ ...block, flopsPerItem, outputBytes: { perItem, perToken: 0 } })),
  })) as unknown as Parameters<typeof defaultBatch>[0]["candidates"];

describe("defaultBatch", () => {
  it("is smaller where values are larger or more batches are under way, within bounds", () => {
    const of = (perItem: number, threads: number) => defaultBatch({ candidates: candidates(perItem), threads });
    expect(of(1000, 2)).toBe(32);
    expect(of(3_211_264, 2)).toBe(8);
    expect(of(3_211_264, 1)).toBe(16);
    expect(of(1e6, 4)).toBe(16);
    expect(of(1e9, 64)).toBe(4);
  });

  it("is smaller where an item takes long, but not below 4", () => {
    const of = (flops: number) => defaultBatch({ candidates: candidates(1000, flops), threads: 2 });
    expect(of(1e6)).toBe(32);
    expect(of(6e8)).toBe(16);
    expect(of(1e9)).toBe(8);
    expect(of(1e12)).toBe(4);
  });

  it("is that of devices on devices", () => {
    expect(defaultBatch({ candidates: candidates(1e9), threads: 64, device: "webgpu" })).toBe(32);
  });
});
