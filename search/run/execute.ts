import type { Plan } from "../plan/step.ts";
import { InterruptedError, type FeatureScore, type Runner } from "./runner.ts";

export interface ExecuteOptions {
  readonly isInterrupted?: () => boolean;
  /** Told after each step how many are done. */
  readonly onStep?: (done: number, total: number) => void;
  /** Told of each score as it is known. */
  readonly onScore?: (score: FeatureScore) => void;
}

/**
 * Performs a plan step by step; the only loop that acts.
 * @returns the scores, in the plan's order
 * @throws InterruptedError between steps
 */
export async function execute(plan: Plan, runner: Runner, options: ExecuteOptions = {}): Promise<FeatureScore[]> {
  const scores: FeatureScore[] = [];
  for (const [index, step] of plan.steps.entries()) {
    if (options.isInterrupted?.()) throw new InterruptedError();
    const score = await runner.perform(step, plan);
    if (score) {
      scores.push(score);
      options.onScore?.(score);
    }
    options.onStep?.(index + 1, plan.steps.length);
  }
  await runner.settle();
  return scores;
}
