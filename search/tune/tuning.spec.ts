import { flopsOf } from "../plan/chain-cost.ts";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { candidateOf } from "../../test/plan/tree-fixtures.ts";
import { planRound } from "../plan/plan-round.ts";
import { DEFAULT_SPEEDS } from "../plan/speeds.ts";
import type { Segment } from "../plan/step.ts";
import { chooseSpeeds } from "./choose-speeds.ts";
import { chooseLoadAhead, hiddenShare, meanStepFlops } from "./load-ahead.ts";
import { loadTuning, saveTuning, type TuningKey } from "./remembered-tuning.ts";
import { fastestOf, heaviestSegment, isFaster, tuningCandidates, tuningItems, type TuningOptions } from "./tuning.ts";

const items = { begin: 0, end: 10 };
const candidates = [candidateOf("a", "stem"), candidateOf("b", "stex")];
const plan = planRound({
  ...{ extractions: [{ items, candidates }], scored: [], train: [items], test: { begin: 10, end: 10 } },
  ...{ share: true, budgetBytes: 1e9 },
});
const trunk = (): Segment => {
  const found = heaviestSegment(plan)?.segment;
  if (!found) throw new Error("the plan has a segment");
  return found;
};

describe("tuning", () => {
  it("measures where most of the work is", () => {
    expect(trunk().blocks.map(({ name }) => name)).toEqual(["s0", "t1", "e2"]);
    expect(heaviestSegment({ ...plan, steps: [] })).toBeNull();
  });

  it("tries the default first, no batch that the budget has no room for, and fewer threads only where there are many", () => {
    const many = { segment: trunk(), items: 1e6 };
    const settings = { threads: 2, batchSize: 32, device: "cpu" as const, budgetBytes: 1e9, share: 0.02 };
    const of = (changes: Partial<TuningOptions>) => tuningCandidates(many, { ...settings, ...changes });
    expect(of({}).map(({ batchSize }) => batchSize)).toEqual([32, 64, 16, 128, 8]);
    expect(of({ budgetBytes: 32 * 400 * 8 }).map(({ batchSize }) => batchSize)).toEqual([32, 16, 8]);
    expect(of({ threads: 8 }).at(-1)).toEqual({ batchSize: 32, threads: 4 });
    expect(of({ threads: 8, device: "webgpu" }).at(-1)?.threads).toBe(8);
  });

  it("takes no more than its share of the items for it, and measures nothing where that is too few", () => {
    const of = (items: number) =>
      tuningCandidates(
        { segment: trunk(), items },
        { threads: 2, batchSize: 32, device: "webgpu", budgetBytes: 1e9, share: 0.02 },
      );
    expect(of(20_000)).toEqual([]);
    for (const items of [30_000, 50_000, 70_000, 200_000]) {
      expect(of(items).length).toBeGreaterThanOrEqual(2);
      expect(tuningItems(of(items), "webgpu")).toBeLessThanOrEqual(items / 50);
    }
  });

  it("looks closer only at what is clearly faster than the default", () => {
    const rate = (batchSize: number, itemsPerSecond: number) => ({ batchSize, threads: 2, itemsPerSecond });
    expect(fastestOf([rate(32, 100), rate(8, 90), rate(64, 105)])).toBeNull();
    expect(fastestOf([rate(32, 100), rate(8, 90), rate(64, 130), rate(128, 120)])?.batchSize).toBe(64);
    expect(fastestOf([])).toBeNull();
  });

  it("takes what was faster in every turn, and clearly in most", () => {
    expect(isFaster([1.2, 1.3, 1.05, 1.15, 1.01])).toBe(true);
    expect(isFaster([1.9, 1.8, 0.99, 1.7, 1.6])).toBe(false);
    expect(isFaster([1.05, 1.3, 1.05, 1.2, 1.01])).toBe(false);
    expect(isFaster([])).toBe(false);
  });

  it("takes a speed that is clearly another than the default, and none that was not measured", () => {
    const { weights, disk, link } = DEFAULT_SPEEDS;
    expect(chooseSpeeds({ weights: 1.9 * weights, disk: disk / 1.9, link: null })).toEqual(DEFAULT_SPEEDS);
    expect(chooseSpeeds({ weights: 3 * weights, disk: disk / 3, link: 0.1 * link })).toEqual({
      ...{ weights: 3 * weights, disk: disk / 3, link: 0.1 * link },
    });
  });

  it("loads ahead as many segments as load while a step runs, where that is hidden by the run", () => {
    expect(chooseLoadAhead(null, 1)).toBe(0);
    expect(chooseLoadAhead({ seconds: 0.1, hidden: 0.4 }, 1)).toBe(0);
    expect(chooseLoadAhead({ seconds: 0.1, hidden: 0.9 }, 1)).toBe(1);
    expect(chooseLoadAhead({ seconds: 2.5, hidden: 0.9 }, 1)).toBe(3);
    expect(chooseLoadAhead({ seconds: 1000, hidden: 0.9 }, 1)).toBe(4);
    expect(chooseLoadAhead({ seconds: 0.1, hidden: 1 }, Infinity)).toBe(1);
  });

  it("takes time for hidden that was in every turn, as much as in the middle one", () => {
    const turn = (together: number) => [1, 1 + together] as const;
    expect(hiddenShare([turn(0.02), turn(0.01), turn(0.09)], 0.1)).toBeCloseTo(0.8);
    expect(hiddenShare([turn(0.02), turn(0.01), turn(0.11)], 0.1)).toBe(0);
    expect(hiddenShare([turn(-0.5), turn(-0.1), turn(0.01)], 0.1)).toBe(1);
    expect(hiddenShare([], 0.1)).toBe(0);
  });

  it("knows the work of a step beside which others are loaded: not that of the heaviest segment", () => {
    const all = plan.steps.flatMap((step) => (step.kind === "run" ? [plan.segments[step.segment]] : []));
    const others = all.filter((segment) => segment?.id !== trunk().id).map((segment) => segment && flopsOf(segment));
    expect(others).toHaveLength(2);
    expect(meanStepFlops(plan, trunk().id)).toBe((10 * ((others[0] ?? NaN) + (others[1] ?? NaN))) / 2);
    const alone = { ...plan, steps: plan.steps.filter((step) => step.kind !== "run" || step.segment === trunk().id) };
    expect(meanStepFlops(alone, trunk().id)).toBe(10 * flopsOf(trunk()));
  });

  describe("remembered", () => {
    const rememberedAt = (measuredAt: string) => ({
      measuredAt,
      rates: [{ batchSize: 32, threads: 2, itemsPerSecond: 5 }],
      faster: { batchSize: 64, threads: 2 },
      speeds: { weights: 1e9, disk: 2e9, link: null },
      loading: { seconds: 0.1, hidden: 0.5 },
    });
    let home: string;
    beforeAll(async () => {
      home = await mkdtemp(join(tmpdir(), "alsatian-tuning-"));
    });
    afterAll(() => rm(home, { recursive: true, force: true }));

    it("holds for the device, the threads and the structure that it was measured with", async () => {
      const key: TuningKey = { device: "webgpu", adapter: "a card", threads: 2, precision: "fp32", segment: trunk() };
      const tuning = rememberedAt("2026-11-21T00:00:00Z");
      expect(await loadTuning(home, key)).toBeNull();
      await saveTuning(home, key, tuning);
      expect(await loadTuning(home, key)).toEqual(tuning);
      for (const other of [
        { device: "cpu" as const },
        { adapter: "another" },
        { threads: 4 },
        { precision: "fp16" as const },
      ]) {
        expect(await loadTuning(home, { ...key, ...other })).toBeNull();
      }
      const shorter = { ...trunk(), blocks: trunk().blocks.slice(0, 1) };
      expect(await loadTuning(home, { ...key, segment: shorter })).toBeNull();
    });

    it("is measured again where the file is damaged", async () => {
      const key: TuningKey = { device: "cpu", adapter: "", threads: 2, precision: "fp32", segment: trunk() };
      await saveTuning(home, key, rememberedAt("2026-11-21T00:00:00Z"));
      const folder = join(home, "cache", "tuning");
      for (const name of await readdir(folder)) await writeFile(join(folder, name), '{"rates": [{"batchSize": -1}]}');
      expect(await loadTuning(home, key)).toBeNull();
    });
  });
});
