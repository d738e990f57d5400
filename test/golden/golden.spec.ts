import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { probeBlockedLayout } from "../../search/run/blocked-layout.ts";
import { layoutProbe } from "../../search/run/layout-probe.ts";
import { openBlockStore, type BlockStore } from "../../indexer/store/block-store.ts";
import { compareEntry, compareFused, compareHalf, compareOnLanes, exportEntry } from "./compare-entry.ts";
import { hasAllReferences, loadGoldenIndex } from "./golden-index.ts";

/** Every exported model against PyTorch: block by block, and fused. */
const entries = await loadGoldenIndex();

/** Of a feature as a vector, relative: docs/precision.md has those of each architecture, 0.018 the largest. */
const MOST_HALF_ERROR = 0.03;

let home: string;
let store: BlockStore;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "alsatian-golden-"));
  store = openBlockStore(home);
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** References whose convolutions a search fuses. */
const fused: string[] = [];

describe.each(entries.map((entry) => [entry.id, entry] as const))("%s", (_id, entry) => {
  it("equals PyTorch, block by block and fused", async () => {
    const exported = await exportEntry(entry, store);
    if (exported instanceof Error) throw exported;
    const { blocks, boundaries, features } = await compareEntry(entry, store, exported);
    expect(blocks).toHaveLength(boundaries);
    for (const { name, error } of [...blocks, ...features]) expect(error, name).toBeLessThanOrEqual(1);
  });

  it("has a fused graph that puts out what each block makes", async () => {
    const exported = await exportEntry(entry, store);
    if (exported instanceof Error) throw exported;
    const { blocks, boundaries, features } = await compareFused(entry, store, exported, "cpu");
    expect(blocks).toHaveLength(boundaries);
    for (const { name, error } of [...blocks, ...features]) expect(error, name).toBeLessThanOrEqual(1);
  });

  it("equals PyTorch in the form in which a search runs it", async () => {
    const exported = await exportEntry(entry, store);
    if (exported instanceof Error) throw exported;
    const { isFused, features } = await compareOnLanes(entry, { home, store }, exported);
    for (const { name, error } of features) expect(error, name).toBeLessThanOrEqual(1);
    if (isFused) fused.push(entry.id);
  });

  it("keeps its feature in float16", async () => {
    const exported = await exportEntry(entry, store);
    if (exported instanceof Error) throw exported;
    for (const error of await compareHalf(entry, store, exported)) expect(error).toBeLessThanOrEqual(MOST_HALF_ERROR);
  });
});

it("has references whose convolutions a search fuses", async () => {
  // others have groups, or fewer channels than fill a register
  const isHere = hasAllReferences() && (await probeBlockedLayout(layoutProbe())) !== null;
  expect(fused.length).toBeGreaterThanOrEqual(isHere ? 2 : 0);
});

describe("block ids", () => {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const pairs = entries.filter(({ shares_with: other }) => other && byId.has(other.id));

  it.each(pairs.map((entry) => [entry.id, entry.shares_with?.id ?? "", entry] as const))(
    "of %s are equal to those of %s where the weights are",
    async (_a, otherId, entry) => {
      const other = byId.get(otherId);
      const [a, b] = [await exportEntry(entry, store), other && (await exportEntry(other, store))];
      if (a instanceof Error || b instanceof Error || !b) return;
      const shared = a.stored.blocks.filter((block, index) => block.blockId === b.stored.blocks[index]?.blockId);
      if (typeof entry.shares_with?.prefixes === "string") expect(shared).toHaveLength(a.stored.blocks.length);
      else expect(shared.length).toBeGreaterThan(0);
      expect(shared.length === a.stored.blocks.length).toBe(typeof entry.shares_with?.prefixes === "string");
    },
  );
});

if (!hasAllReferences()) it.skip("all references: not here, only the few that ship were compared");
