import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { candidateOf } from "../../test/plan/tree-fixtures.ts";
import { execute } from "../run/execute.ts";
import { DryRunner } from "../run/dry-runner.ts";
import type { Candidate } from "./candidate.ts";
import { planRound, type RoundInput } from "./plan-round.ts";
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
const runs = (plan: Plan) => plan.steps.filter((step) => step.kind === "run");

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
    expect(runner.account.peak).toBe(plan.peakBytes);
    expect(runner.account.live).toBe(0);
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
      const budgetBytes = Math.ceil(large.peakBytes / share);
      const plan = planRound(round(candidates, { budgetBytes }));
      expect(plan.peakBytes).toBeLessThanOrEqual(budgetBytes);
      expect(plan.blockItems).toBe(large.blockItems);
      expect((await dryRun(plan)).account.peak).toBe(plan.peakBytes);
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
    expect(planRound(round(candidates, { budgetBytes: smallest })).peakBytes).toBeLessThanOrEqual(smallest);
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
          expect(runner.account.peak).toBe(plan.peakBytes);
          expect(plan.peakBytes).toBeLessThanOrEqual(budgetBytes);
          expect(runner.account.live).toBe(0);
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
    expect(runner.account.live).toBe(first.loadedAfter.reduce((sum, { bytes }) => sum + bytes, 0));
    await execute(second, runner);
    expect(runner.account.peak).toBe(Math.max(first.peakBytes, second.peakBytes));
    expect(runner.account.live).toBe(0);
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
            expect(plan.peakBytes).toBeLessThanOrEqual(budgetBytes);
            loadedBefore = plan.loadedAfter;
            left = left.slice(0, Math.floor(left.length / 2));
          }
          expect(runner.account.peak).toBeLessThanOrEqual(budgetBytes);
          expect(runner.account.live).toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("is the same for the same input", () => {
    expect(planRound(round(candidates))).toEqual(planRound(round(candidates.toReversed())));
  });
});
