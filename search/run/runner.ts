import type { Account } from "../plan/account.ts";
import type { Plan, Step } from "../plan/step.ts";

/** What a score step brings. */
export interface FeatureScore {
  readonly feature: string;
  readonly models: readonly string[];
  /** Null when the features cannot be scored. */
  readonly score: number | null;
  readonly reason?: string;
}

/** Where the time of a run went, in seconds. */
export interface RunSeconds {
  data: number;
  load: number;
  inference: number;
  proxy: number;
}

/** Performs the steps of a plan. The contract is in `runner.case.ts`, which every runner passes. */
export interface Runner {
  /** Bytes that are really in use, booked when they are taken and freed. */
  readonly account: Account;
  readonly seconds: RunSeconds;
  /** Performs a step, or begins it; those that free something or bring a score are done when it resolves. @returns a score after a score step, else null */
  perform(step: Step, plan: Plan): Promise<FeatureScore | null>;
  /** Resolves when what was begun is done: some runners begin steps before those ahead of them are. @throws what has failed */
  settle(): Promise<void>;
  /** Frees what is left, whatever happened. */
  close(): Promise<void>;
}

/** Thrown between steps or batches when the user interrupts. */
export class InterruptedError extends Error {
  override name = "InterruptedError";
  constructor() {
    super("interrupted");
  }
}
