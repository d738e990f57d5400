import type { Precision } from "../crawler/export/precision.ts";
import type { BlockStore } from "../indexer/store/block-store.ts";
import type { SearchCandidate } from "./build-candidate.ts";
import type { DataSet } from "./data/data-set.ts";
import type { Device } from "./device/device.ts";
import { planRounds, type RoundPlan } from "./halving.ts";
import { orderItems, type ItemOrder } from "./item-order.ts";
import type { PlanRunner, PlanRunnerOptions } from "./run/run-plan.ts";
import type { SearchEvent } from "./search-result.ts";
import type { SearchState } from "./search-state.ts";
import type { Strategy } from "./strategy.ts";
import type { TuningLimits } from "./tune/tuning.ts";

/** What decides the result of a search; equal settings give equal scores. */
export interface SearchSettings {
  readonly strategy: Strategy;
  readonly proxy: string;
  readonly top: number;
  readonly seed: number;
  readonly rounds: number | undefined;
  readonly imageSize: number | undefined;
  /** What inference computes in. Default: fp32. */
  readonly precision?: Precision | undefined;
}

export interface SearchOptions extends SearchSettings {
  readonly home: string;
  readonly store: BlockStore;
  readonly candidates: readonly SearchCandidate[];
  readonly dataSet: DataSet;
  readonly budgetBytes: number;
  /** What the caches may keep on disk. Default: no limit. */
  readonly cacheBytes?: number | undefined;
  /** Items that go through a graph together; default: what is fastest, measured where that pays. */
  readonly batchSize?: number | undefined;
  /** When measuring pays; default: `TUNING_LIMITS`. */
  readonly tuning?: TuningLimits | undefined;
  readonly threads: number;
  /** Where inference runs; default: the CPU. */
  readonly device?: Device | undefined;
  /** What the device is: what was measured holds for it alone. */
  readonly adapter?: string | undefined;
  /** What results and weights may take on the device together. */
  readonly deviceBudgetBytes?: number | undefined;
  /** The process of inference; default: as `PlanRunner` has it. */
  readonly process?: Omit<PlanRunnerOptions, "threads" | "budgetBytes"> | undefined;
  /** A process of inference that has been started already, with as many threads; the search ends it. Default: its own. */
  readonly runner?: PlanRunner | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Rounds that an interrupted search has finished already. */
  readonly resume?: SearchState | undefined;
  /** Called after every round with what is known so far; durable before the next round begins. */
  readonly onRound?: (state: SearchState) => Promise<void>;
  readonly onEvent?: (event: SearchEvent) => void;
}

/** The rounds of a search; `base` has one, with all models and all items. */
export const roundsOf = (settings: SearchSettings, models: number, items: number): RoundPlan[] =>
  settings.strategy === "base"
    ? [{ round: 1, models, begin: 0, end: items }]
    : planRounds(models, settings.top, items, settings.rounds);

/** The items of a search in its order. */
export const orderOf = ({ dataSet, seed }: SearchOptions, rounds: readonly RoundPlan[]): ItemOrder =>
  orderItems(dataSet, rounds, seed);
