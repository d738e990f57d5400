import { expect, it } from "vitest";
import type { Plan } from "../plan/step.ts";
import { execute } from "./execute.ts";
import type { Runner } from "./runner.ts";

/** A runner and plans that it can perform. */
export interface RunnerFixture {
  readonly runner: Runner;
  readonly plan: Plan;
}

/** What every runner keeps: the contract of `runner.ts`. */
export function describeRunner(
  make: (options: {
    readonly share: boolean;
    readonly budgetBytes: number;
    readonly loadAhead?: number;
  }) => Promise<RunnerFixture>,
) {
  it.each([
    { share: true, budgetBytes: 1e9 },
    { share: false, budgetBytes: 1e9 },
    { share: true, budgetBytes: 400_000 },
    { share: true, budgetBytes: 1e9, loadAhead: 2 },
    { share: true, budgetBytes: 400_000, loadAhead: 2 },
  ])("reaches the peak that the plan states, and no more ($share, $budgetBytes, $loadAhead ahead)", async (options) => {
    const { runner, plan } = await make(options);
    try {
      await execute(plan, runner);
      expect(runner.account.peak).toEqual(plan.peakBytes);
      expect(plan.peakBytes.host).toBeLessThanOrEqual(options.budgetBytes);
      expect(runner.account.live).toEqual({ host: 0, device: 0 });
    } finally {
      await runner.close();
    }
  });

  it("answers each score step with its models", async () => {
    const { runner, plan } = await make({ share: true, budgetBytes: 1e9 });
    try {
      const scores = await execute(plan, runner);
      const steps = plan.steps.filter((step) => step.kind === "score");
      expect(scores.map(({ models }) => models)).toEqual(steps.map(({ models }) => models));
    } finally {
      await runner.close();
    }
  });

  it.each([0, 2])("stops between steps when interrupted, and frees what it holds (%i ahead)", async (loadAhead) => {
    const { runner, plan } = await make({ share: true, budgetBytes: 1e9, loadAhead });
    let steps = 0;
    await expect(execute(plan, runner, { isInterrupted: () => steps++ > 3 })).rejects.toThrow("interrupted");
    await runner.close();
    expect(runner.account.live).toEqual({ host: 0, device: 0 });
  });
}
