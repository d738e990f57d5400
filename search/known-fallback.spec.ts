import { describe, expect, it } from "vitest";
import { knownFallback } from "./known-fallback.ts";
import type { ChainBlock } from "./plan/candidate.ts";

const block = (name: string, graphHash: string, operators: readonly string[]): ChainBlock => ({
  ...{ name, graphHash, operators, prefixId: name, blockId: name, weightBytes: 0, flopsPerItem: 0 },
  ...{ output: { dims: [1] }, outputBytes: { perItem: 4, perToken: 0 } },
});

const roberta = [
  block("embeddings", "g0", ["embedTokens", "embedPositionsPastPadding", "layerNorm"]),
  block("layer0", "g1", ["linear", "attend"]),
];

describe("knownFallback", () => {
  it("puts the blocks on the CPU that have an operator which the device lacks, and says which", () => {
    const { onCpu, fallback } = knownFallback("webgpu", [{ blocks: roberta }, { blocks: roberta }]);
    expect([...onCpu]).toEqual(["g0"]);
    expect(fallback).toEqual({
      ...{ round: 1, device: "webgpu", blocks: ["embeddings"], then: "these blocks on the cpu" },
      reason: "it cannot compute embedPositionsPastPadding",
    });
  });

  it("has nothing to say where the device takes every block", () => {
    expect(knownFallback("webgpu", [{ blocks: roberta.slice(1) }])).toEqual({ onCpu: new Set(), fallback: null });
    expect(knownFallback("cpu", [{ blocks: roberta }])).toEqual({ onCpu: new Set(), fallback: null });
  });
});
