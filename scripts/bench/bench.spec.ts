import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import { DEFAULT_SPEEDS } from "../../search/plan/speeds.ts";
import { probeBlockedLayout } from "../../search/run/blocked-layout.ts";
import { layoutProbe } from "../../search/run/layout-probe.ts";
import { benchConvolutions } from "./bench-convolutions.ts";
import { benchSearch } from "./bench-search.ts";
import { benchTuning } from "./bench-tuning.ts";
import { makePictures } from "./make-data.ts";
import { makeSnapshots } from "./make-snapshots.ts";

let home: string;
beforeEach(async () => void (home = await mkdtemp(join(tmpdir(), "alsatian-bench-spec-"))));
afterEach(() => rm(home, { recursive: true, force: true }));

/** ResNet-18: a stem and eight residual units. */
const BLOCKS = 9;

describe("makeSnapshots", () => {
  it("stores the blocks that snapshots share once, and gives each a last block of its own", async () => {
    const store = openBlockStore(home);
    const { preprocessing } = await makePictures({ home, train: 4, test: 4, imageSize: 32, seed: 0 });
    const options = { architecture: "resnet-18", models: 3, seed: 0, store, preprocessing } as const;
    const top = await makeSnapshots({ ...options, sharing: "top-layers" });
    expect(top.chainLength).toBe(BLOCKS);
    expect(top.distinctBlocks).toBe(BLOCKS - 1 + 3);
    const half = await makeSnapshots({ ...options, sharing: "top-50" });
    expect(half.distinctBlocks).toBeGreaterThan(top.distinctBlocks);
    expect(half.candidates[0]?.blocks[4]?.prefixId).toBe(top.candidates[0]?.blocks[4]?.prefixId);
    expect(await makeSnapshots({ ...options, sharing: "top-50" })).toEqual(half);
  });
});

describe("benchSearch", () => {
  it("finds the same scores by every strategy that halves, and less work where blocks are shared", async () => {
    const test = 8;
    const { strategies } = await benchSearch({
      architecture: "resnet-18",
      sharing: "top-layers",
      models: 4,
      strategies: ["base", "shift", "alsatian"],
      runs: 1,
      train: 16,
      test,
      imageSize: 32,
      batchSize: 8,
      ...{ device: "cpu" as const, deviceBudgetBytes: 0, precision: "fp32" as const },
      budgetBytes: 1e9,
      threads: 1,
      proxy: "linear",
      seed: 0,
      home,
      log: () => undefined,
    });
    const [base, shift, alsatian] = strategies;
    const scores = (figures = base) => new Map(figures?.ranking.map(({ model, score }) => [model, score]));
    const shared = scores(alsatian);
    expect([...shared.keys()].sort()).toEqual([...scores().keys()].sort());
    const oneItem = 1 / test + 1e-6; // as far as rounding may go
    for (const [model, score] of scores(shift)) {
      expect(Math.abs(score - (shared.get(model) ?? NaN))).toBeLessThanOrEqual(oneItem);
    }
    // base scores all on everything: the same as the others for the model that stays to the end
    const [winner] = alsatian?.ranking ?? [];
    const alone = scores().get(winner?.model ?? "") ?? NaN;
    expect(Math.abs((winner?.score ?? NaN) - alone)).toBeLessThanOrEqual(oneItem);
    expect(alsatian?.blockItems).toBeLessThan(shift?.blockItems ?? 0);
    expect(shift?.blockItems).toBeLessThan(base?.blockItems ?? 0);
    expect(alsatian?.bound).toBeGreaterThan(0);
  });
});

describe("benchTuning", () => {
  it("compares fixed settings with measured and remembered ones, which give the same scores", async () => {
    const figures = await benchTuning({
      ...{ architecture: "resnet-18", sharing: "top-layers", models: 3, runs: 2, train: 16, test: 8, imageSize: 32 },
      ...{
        device: "cpu",
        deviceBudgetBytes: 0,
        precision: "fp32",
        budgetBytes: 1e9,
        threads: 1,
        proxy: "linear",
        seed: 0,
      },
      home,
      log: () => undefined,
    });
    expect(figures.map(({ variant }) => variant)).toEqual(["defaults", "measured", "remembered"]);
    for (const { totals, tuned, ratio } of figures) {
      expect([totals.length, tuned.length]).toEqual([2, 2]);
      expect(ratio).toBeGreaterThan(0);
    }
    const [defaults, measured, remembered] = figures;
    expect(defaults?.ratio).toBe(1);
    expect(defaults?.tuned[0]).toEqual({ batchSize: 32, threads: 1, loadAhead: 1, speeds: DEFAULT_SPEEDS });
    // in the first turn it comes behind the measured one
    expect(remembered?.tuned[0]).toEqual(measured?.tuned[0]);
  });
});

describe("benchConvolutions", () => {
  it("times both forms, where the processor has both", async (test) => {
    if ((await probeBlockedLayout(layoutProbe())) === null) return test.skip("no blocked layout on this processor");
    const figures = await benchConvolutions({ channels: 16, size: 3, items: 2 }, { home, runs: 2 });
    for (const milliseconds of [figures.blocked, figures.product, figures.layingOut]) {
      expect(milliseconds).toBeGreaterThan(0);
    }
    expect(await readdir(home)).not.toContain("store");
  });
});
