import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { candidateOf } from "../../test/plan/tree-fixtures.ts";
import { execute } from "../run/execute.ts";
import { DryRunner } from "../run/dry-runner.ts";
import type { Candidate, ChainBlock } from "./candidate.ts";
import type { PlanDevice } from "./choose-layout.ts";
import { measurePictures } from "./extent.ts";
import { planRound, smallestBudgets, type RoundInput } from "./plan-round.ts";
import type { Speeds } from "./speeds.ts";
import type { Plan } from "./step.ts";

const train = [{ begin: 0, end: 24 }];
const test = { begin: 100, end: 110 };
const round = (candidates: readonly Candidate[], changes: Partial<RoundInput> = {}): RoundInput => ({
  extractions: [...train, test].map((items) => ({ items, candidates })),
  scored: candidates,
  train,
  test,
  share: true,
  budgetBytes: 1e9,
  ...changes,
});
const NONE = { host: 0, device: 0 };
const runs = (plan: Plan) => plan.steps.filter((step) => step.kind === "run");
const places = (plan: Plan) => new Set(runs(plan).map(({ place }) => place));

async function dryRun(plan: Plan): Promise<DryRunner> {
  const runner = new DryRunner();
  await execute(JSON.parse(JSON.stringify(plan)) as Plan, runner);
  await runner.close();
  return runner;
}

describe("planRound", () => {
  const candidates = [
    candidateOf("a", "stem"),
    candidateOf("b", "stew"),
    candidateOf("c", "stop"),
    candidateOf("d", "x"),
  ];

  it("runs each shared block once for each item", () => {
    const distinct = new Set(
      candidates.flatMap(({ blocks }) => blocks.filter((b) => b.blockId).map((b) => b.prefixId)),
    );
    expect(planRound(round(candidates)).blockItems).toBe(distinct.size * 34);
    expect(planRound(round(candidates, { share: false })).blockItems).toBe((4 + 4 + 4 + 1) * 34);
  });

  it("states the peak that a runner books, releases everything, and loads what it runs", async () => {
    const plan = planRound(round(candidates));
    const runner = await dryRun(plan);
    expect(runner.account.peak).toEqual(plan.peakBytes);
    expect(runner.account.live).toEqual(NONE);
  });

  it("extracts only what is missing", () => {
    const plan = planRound(round(candidates, { extractions: [{ items: test, candidates: candidates.slice(0, 1) }] }));
    expect(runs(plan)).toHaveLength(1);
    expect(plan.steps.filter((step) => step.kind === "score")).toHaveLength(4);
    expect(planRound(round(candidates, { extractions: [] })).blockItems).toBe(0);
  });

  it("scores models with one feature once", () => {
    const twins = [candidateOf("a", "stem"), candidateOf("b", "stem")];
    const scores = planRound(round(twins)).steps.filter((step) => step.kind === "score");
    expect(scores.map(({ models }) => models)).toEqual([["a", "b"]]);
  });

  it("splits the items when the budget is small, and keeps to it", async () => {
    const large = planRound(round(candidates));
    for (const share of [2, 4, 8]) {
      const budgetBytes = Math.ceil(large.peakBytes.host / share);
      const plan = planRound(round(candidates, { budgetBytes }));
      expect(plan.peakBytes.host).toBeLessThanOrEqual(budgetBytes);
      expect(plan.blockItems).toBe(large.blockItems);
      expect((await dryRun(plan)).account.peak).toEqual(plan.peakBytes);
    }
  });

  it("names the smallest budget that works, and that one works", () => {
    let message = "";
    try {
      planRound(round(candidates, { budgetBytes: 10 }));
    } catch (cause) {
      message = String(cause);
    }
    const smallest = Number(/--budget (\d+)/.exec(message)?.[1]);
    expect(planRound(round(candidates, { budgetBytes: smallest })).peakBytes.host).toBeLessThanOrEqual(smallest);
    expect(() => planRound(round(candidates, { budgetBytes: smallest - 1 }))).toThrow("too small");
  });

  it("holds for any chains and any budget that works", async () => {
    const chain = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(chain, { minLength: 1, maxLength: 12 }),
        fc.boolean(),
        fc.integer({ min: 5_000, max: 60_000 }),
        async (paths, share, budgetBytes) => {
          const plan = planRound(
            round(
              paths.map((path, index) => candidateOf(`m${index}`, path)),
              { share, budgetBytes },
            ),
          );
          const runner = await dryRun(plan);
          expect(runner.account.peak).toEqual(plan.peakBytes);
          expect(plan.peakBytes.host).toBeLessThanOrEqual(budgetBytes);
          expect(runner.account.live).toEqual(NONE);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("loads what the round before has left loaded no second time", async () => {
    const first = planRound(round(candidates, { keepLoaded: true }));
    const left = candidates.slice(0, 2);
    const next = { begin: 24, end: 60 };
    const later = { extractions: [{ items: next, candidates: left }], scored: left, train: [...train, next] };
    const second = planRound(round(left, { ...later, loadedBefore: first.loadedAfter }));
    const alone = planRound(round(left, later));
    expect(second.loadBytes).toBeLessThan(alone.loadBytes);
    expect(second.blockItems).toBe(alone.blockItems);
    const runner = new DryRunner();
    await execute(first, runner);
    expect(runner.account.live.host).toBe(first.loadedAfter.reduce((sum, { bytes }) => sum + bytes, 0));
    await execute(second, runner);
    expect(runner.account.peak.host).toBe(Math.max(first.peakBytes.host, second.peakBytes.host));
    expect(runner.account.live).toEqual(NONE);
  });

  it("goes part by part where loading weights again is cheap, and to disk where that is", () => {
    const peak = planRound(round(candidates)).peakBytes.host;
    for (const share of [2, 4, 8]) {
      const budgetBytes = Math.ceil(peak / share);
      const planned = (speeds: Speeds) => planRound(round(candidates, { budgetBytes, speeds, batchSize: 2 }));
      const inParts = planned({ weights: 1e15, disk: 1, link: 1 });
      const toDisk = planned({ weights: 1, disk: 1e15, link: 1e15 });
      expect(places(inParts)).toEqual(new Set(["memory"]));
      expect(places(toDisk)).toContain("disk");
      expect(inParts.chunkItems).toBeLessThan(toDisk.chunkItems);
    }
  });

  it("loads as many segments ahead as it is told, beside what runs, and waits for the one that runs next", () => {
    const deepest = (plan: Plan): number => {
      const ahead = new Set<string>();
      let most = 0;
      for (const step of plan.steps) {
        if (step.kind === "load" && step.beside) ahead.add(step.segment);
        if (step.kind !== "run") continue;
        ahead.delete(step.segment);
        most = Math.max(most, ahead.size);
      }
      return most;
    };
    for (const loadAhead of [0, 1, 2, 3]) expect(deepest(planRound(round(candidates, { loadAhead })))).toBe(loadAhead);
  });

  it("loads ahead only what costs no further loads and fits the budget", async () => {
    const chain = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(chain, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 5_000, max: 60_000 }),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        async (paths, budgetBytes, loadAhead, keepLoaded) => {
          const models = paths.map((path, index) => candidateOf(`m${index}`, path));
          const plan = planRound(round(models, { budgetBytes, loadAhead, keepLoaded }));
          const shallow = planRound(round(models, { budgetBytes, keepLoaded }));
          expect(plan.loadBytes).toBeLessThanOrEqual(shallow.loadBytes);
          expect(plan.peakBytes.host).toBeLessThanOrEqual(budgetBytes);
          expect((await dryRun(plan)).account.peak).toEqual(plan.peakBytes);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("keeps to the budget over several rounds that leave segments loaded", async () => {
    const chain = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(chain, { minLength: 2, maxLength: 12 }),
        fc.boolean(),
        fc.integer({ min: 5_000, max: 60_000 }),
        async (paths, share, budgetBytes) => {
          let left = paths.map((path, index) => candidateOf(`m${index}`, path));
          let loadedBefore: Plan["loadedAfter"] = [];
          const runner = new DryRunner();
          while (left.length > 0) {
            const plan = planRound(round(left, { share, budgetBytes, loadedBefore, keepLoaded: left.length > 1 }));
            await execute(plan, runner);
            expect(plan.peakBytes.host).toBeLessThanOrEqual(budgetBytes);
            loadedBefore = plan.loadedAfter;
            left = left.slice(0, Math.floor(left.length / 2));
          }
          expect(runner.account.peak.host).toBeLessThanOrEqual(budgetBytes);
          expect(runner.account.live).toEqual(NONE);
        },
      ),
      { numRuns: 200 },
    );
  });

  describe("on a device", () => {
    const rule = { size: 8, isFixed: true };
    const onDevice = (budgetBytes: number, changes: Partial<PlanDevice> = {}): Partial<RoundInput> => ({
      batchSize: rule.size,
      measure: measurePictures(rule),
      device: { budgetBytes, keepsResults: true, runs: () => true, ...changes },
    });

    it("leaves on it what its graphs read, and brings features to the host", async () => {
      const plan = planRound(round(candidates, onDevice(1e9)));
      const features = new Set(plan.steps.flatMap((step) => (step.kind === "keep" ? [step.from] : [])));
      for (const { place, to } of runs(plan)) expect(place).toBe(features.has(to) ? "memory" : "device");
      expect(plan.steps.every((step) => step.kind !== "load" || step.memory === "device")).toBe(true);
      const runner = await dryRun(plan);
      expect(runner.account.peak).toEqual(plan.peakBytes);
      expect(runner.account.live).toEqual(NONE);
    });

    it("leaves nothing on a device that cannot keep results but weights", () => {
      const plan = planRound(round(candidates, onDevice(1e9, { keepsResults: false })));
      expect(places(plan)).toEqual(new Set(["memory"]));
      expect(plan.peakBytes.device).toBe(
        planRound(round(candidates)).steps.reduce((sum, step) => sum + (step.kind === "load" ? step.bytes : 0), 0),
      );
    });

    it("runs blocks that the device cannot run on the CPU, and brings what they read to the host", () => {
      const runsBlock = ({ name }: ChainBlock): boolean => name !== "t1";
      const plan = planRound(round(candidates, onDevice(1e9, { runs: runsBlock })));
      for (const { segment, from } of runs(plan)) {
        const { on, blocks } = plan.segments[segment] ?? { on: null, blocks: [] };
        expect(on).toBe(blocks.every(runsBlock) ? "device" : "host");
        if (on === "host") expect(runs(plan).find(({ to }) => to === from)?.place).not.toBe("device");
      }
      expect(Object.values(plan.segments).some(({ on }) => on === "host")).toBe(true);
    });

    it("names the smallest device budget that works, and that one works", () => {
      const smallest = smallestBudgets(round(candidates, onDevice(1))).device;
      expect(() => planRound(round(candidates, onDevice(smallest - 1)))).toThrow(`--device-budget ${smallest}`);
      const plan = planRound(round(candidates, onDevice(smallest)));
      expect(plan.peakBytes.device).toBeLessThanOrEqual(smallest);
    });

    it("moves results to the host when the device is small, and to the disk when the host is, too", () => {
      const { peakBytes } = planRound(round(candidates, onDevice(1e9)));
      const seen = new Set<string>();
      for (const host of [1e9, 20_000, 5_000]) {
        for (let budget = peakBytes.device; ; budget = Math.floor(budget / 1.3)) {
          const input = round(candidates, { ...onDevice(budget), budgetBytes: host });
          if (smallestBudgets(input).device > budget || smallestBudgets(input).host > host) break;
          for (const place of places(planRound(input))) seen.add(place);
        }
      }
      expect(seen).toEqual(new Set(["device", "memory", "disk"]));
    });

    it("keeps to both budgets, whatever the chains, and runs the same work", async () => {
      const chain = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(
          fc.array(chain, { minLength: 1, maxLength: 12 }),
          fc.boolean(),
          fc.boolean(),
          fc.double({ min: 0, max: 1, noNaN: true }),
          fc.double({ min: 0, max: 1, noNaN: true }),
          fc.constantFrom("", "a0", "b1", "head"),
          async (paths, share, keepsResults, host, device, onCpu) => {
            const models = paths.map((path, index) => candidateOf(`m${index}`, path));
            const changes = { keepsResults, runs: ({ name }: ChainBlock) => !name.startsWith(onCpu) || onCpu === "" };
            const whole = planRound(round(models, { share, ...onDevice(1e9, changes) }));
            const least = smallestBudgets(round(models, { share, ...onDevice(1e9, changes) }));
            const between = (low: number, high: number, at: number) => Math.ceil(low + (high - low) * at);
            const budgetBytes = between(least.host, Math.max(least.host, whole.peakBytes.host), host);
            const deviceBytes = between(least.device, Math.max(least.device, whole.peakBytes.device), device);
            const plan = planRound(round(models, { share, budgetBytes, ...onDevice(deviceBytes, changes) }));
            const runner = await dryRun(plan);
            expect(runner.account.peak).toEqual(plan.peakBytes);
            expect(plan.peakBytes.host).toBeLessThanOrEqual(budgetBytes);
            expect(plan.peakBytes.device).toBeLessThanOrEqual(deviceBytes);
            expect(plan.blockItems).toBe(whole.blockItems);
            expect(runner.account.live).toEqual(NONE);
          },
        ),
        { numRuns: 60 },
      );
    });
  });

  it("is the same for the same input", () => {
    expect(planRound(round(candidates))).toEqual(planRound(round(candidates.toReversed())));
  });
});
