import { DEFAULT_SPEEDS, type Speeds } from "../plan/speeds.ts";
import type { Plan, Segment } from "../plan/step.ts";
import { RunFailure } from "../run/run-failure.ts";
import type { PlanRunner } from "../run/run-plan.ts";
import { defaultBatch } from "../default-batch.ts";
import type { SearchOptions } from "../search-options.ts";
import { chooseSpeeds } from "./choose-speeds.ts";
import { aheadOnLanes, chooseLoadAhead, meanStepFlops } from "./load-ahead.ts";
import type { Measured, MeasureRequest } from "./measured.ts";
import { loadTuning, saveTuning, type TuningKey } from "./remembered-tuning.ts";
import {
  estimateSeconds,
  heaviestSegment,
  TUNING_LIMITS,
  tuningCandidates,
  tuningItems,
  type HeaviestSegment,
  type Tuning,
  type TuningRate,
} from "./tuning.ts";

/** What plans go by beside budgets, and what that rests on. */
export interface Tuned extends Tuning {
  /** Segments that are loaded beside the one that runs, as of `PlaceLoadsOptions`. */
  readonly loadAhead: number;
  /** What the size of chunks follows from. */
  readonly speeds: Speeds;
  readonly how: "given" | "default" | "measured" | "remembered";
  readonly rates: readonly TuningRate[];
}

/** What each measurement may take: little of a search that is long enough to be tuned. */
const MOST_SECONDS = 3;

/** What a search goes by as long as nothing was measured. */
export const untuned = (options: SearchOptions): Tuned => ({
  batchSize: options.batchSize ?? defaultBatch(options),
  threads: options.threads,
  loadAhead: (options.device ?? "cpu") === "cpu" ? aheadOnLanes(options.threads) : 0,
  speeds: DEFAULT_SPEEDS,
  how: options.batchSize === undefined ? "default" : "given",
  rates: [],
});

/** What was measured before for searches like this one, if anything. */
export async function rememberedTuning(options: SearchOptions, plan: Plan): Promise<Tuned | null> {
  const known = await knownTuning(options, plan);
  return known?.remembered ? tunedBy(known.remembered, { options, plan, known, how: "remembered" }) : null;
}

/**
 * Measures what a search goes by, where that pays or was done before.
 * @param plan of the first round, in batches of the default size
 * @param ready resolves when nothing else takes the processor
 */
export async function tuneSearch(
  options: SearchOptions,
  plan: Plan,
  { runner, ready }: { readonly runner: PlanRunner; readonly ready: () => Promise<unknown> },
): Promise<Tuned> {
  const known = await knownTuning(options, plan);
  if (!known) return untuned(options);
  const { key, flops, remembered } = known;
  const request = requestOf(known, options, plan);
  // a shorter search had no items to spare for batches of other sizes
  const isComplete = remembered !== null && (remembered.rates.length > 0 || request.candidates.length === 0);
  if (isComplete) return tunedBy(remembered, { options, plan, known, how: "remembered" });
  const { leastSeconds } = options.tuning ?? TUNING_LIMITS;
  if (estimateSeconds(flops, key.device) < leastSeconds) return untuned(options);
  await ready();
  try {
    const measured = await runner.measure(request);
    await saveTuning(options.home, key, { measuredAt: new Date().toISOString(), ...measured });
    return tunedBy(measured, { options, plan, known, how: "measured" });
  } catch (cause) {
    if (!(cause instanceof RunFailure)) throw cause;
    await runner.restart(); // what ails the device shows when it is needed
    return untuned(options);
  }
}

interface KnownTuning extends HeaviestSegment {
  readonly key: TuningKey;
  readonly remembered: Measured | null;
}

/** Where most work is, and what was measured there; null where the batch is given, or nothing takes the items as they are. */
async function knownTuning(options: SearchOptions, plan: Plan): Promise<KnownTuning | null> {
  const heaviest = options.batchSize === undefined ? heaviestSegment(plan) : null;
  if (!heaviest?.segment.isFirst) return null;
  const { home, threads, device = "cpu", adapter = "", precision = "fp32" } = options;
  const key: TuningKey = { device, adapter, threads, precision, segment: heaviest.segment };
  return { ...heaviest, key, remembered: await loadTuning(home, key) };
}

function requestOf({ segment, items, key }: KnownTuning, options: SearchOptions, plan: Plan): MeasureRequest {
  const { budgetBytes, deviceBudgetBytes = 0 } = options;
  const { share } = options.tuning ?? TUNING_LIMITS;
  const batchSize = defaultBatch(options);
  const candidates = tuningCandidates({ segment, items }, { ...key, batchSize, budgetBytes, share });
  // the CPU's lanes load whenever one is idle: there is nothing to find out
  const loaded = key.device === "cpu" ? null : largestBeside(segment, plan);
  const room = Math.min(budgetBytes, deviceBudgetBytes);
  const hasRoom = loaded !== null && segment.weightBytes + loaded.weightBytes <= room;
  const itemsBeside = candidates.length > 0 ? share * items - tuningItems(candidates, key.device) : 0;
  return { segment, candidates, batchSize, loaded: hasRoom ? loaded : null, itemsBeside, mostSeconds: MOST_SECONDS };
}

/** Of the other segments, the one with most weights. */
const largestBeside = ({ id }: Segment, { segments }: Plan): Segment | null =>
  Object.values(segments)
    .filter((other) => other.id !== id)
    .sort((a, b) => b.weightBytes - a.weightBytes || (a.id < b.id ? -1 : 1))[0] ?? null;

interface TunedByContext {
  readonly options: SearchOptions;
  readonly plan: Plan;
  readonly known: HeaviestSegment;
  readonly how: Tuned["how"];
}

function tunedBy({ rates, faster, speeds, loading }: Measured, { options, plan, known, how }: TunedByContext): Tuned {
  const { segment, flopsPerItem } = known;
  const [rate] = rates;
  const { batchSize, threads } = faster ?? untuned(options);
  const isOnLanes = (options.device ?? "cpu") === "cpu";
  const stepSeconds = rate ? meanStepFlops(plan, segment.id) / (rate.itemsPerSecond * flopsPerItem) : Infinity;
  const loadAhead = isOnLanes ? aheadOnLanes(threads) : chooseLoadAhead(loading, stepSeconds);
  return { batchSize, threads, loadAhead, speeds: chooseSpeeds(speeds), how, rates };
}
