import { RunFailure } from "../run/run-failure.ts";
import type { PlanRunner } from "../run/run-plan.ts";
import { defaultBatch } from "../default-batch.ts";
import type { Plan } from "../plan/step.ts";
import type { SearchOptions } from "../search-options.ts";
import { loadTuning, saveTuning, type TuningKey } from "./remembered-tuning.ts";
import {
  chooseTuning,
  heaviestSegment,
  estimateSeconds,
  TUNING_LIMITS,
  tuningCandidates,
  type Tuning,
  type TuningRate,
} from "./tuning.ts";

/** What items go through graphs by, and what that rests on. */
export interface Tuned extends Tuning {
  readonly how: "given" | "default" | "measured" | "remembered";
  readonly rates: readonly TuningRate[];
}

/** What measuring the fastest batch may take: little of a search that is long enough to be tuned. */
const MOST_SECONDS = 3;

/** What a search goes by as long as nothing was measured. */
export const untuned = (options: SearchOptions): Tuned => ({
  batchSize: options.batchSize ?? defaultBatch(options),
  threads: options.threads,
  how: options.batchSize === undefined ? "default" : "given",
  rates: [],
});

/** What was measured before for searches like this one, if anything. */
export async function rememberedTuning(options: SearchOptions, plan: Plan): Promise<Tuned | null> {
  const known = await knownTuning(options, plan);
  return known?.remembered ? tunedBy(options, "remembered", known.remembered.rates) : null;
}

/**
 * Finds the fastest batch and number of threads, where that pays or was done before.
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
  const { key, segment, items, flops, remembered } = known;
  if (remembered) return tunedBy(options, "remembered", remembered.rates);
  const { leastSeconds, share } = options.tuning ?? TUNING_LIMITS;
  const candidates = tuningCandidates(
    { segment, items },
    {
      ...{ ...key, budgetBytes: options.budgetBytes, share },
      batchSize: defaultBatch(options),
    },
  );
  if (candidates.length === 0 || estimateSeconds(flops, key.device) < leastSeconds) return untuned(options);
  await ready();
  try {
    const rates = await runner.measure({ segment, candidates, mostSeconds: MOST_SECONDS });
    await saveTuning(options.home, key, { measuredAt: new Date().toISOString(), rates });
    return tunedBy(options, "measured", rates);
  } catch (cause) {
    if (!(cause instanceof RunFailure)) throw cause;
    await runner.restart(); // what ails the device shows when it is needed
    return untuned(options);
  }
}

/** Where most work is, and what was measured there; null where the batch is given, or nothing takes the items as they are. */
async function knownTuning(options: SearchOptions, plan: Plan) {
  const heaviest = options.batchSize === undefined ? heaviestSegment(plan) : null;
  if (!heaviest?.segment.isFirst) return null;
  const { home, threads, device = "cpu", adapter = "", precision = "fp32" } = options;
  const key: TuningKey = { device, adapter, threads, precision, segment: heaviest.segment };
  return { ...heaviest, key, remembered: await loadTuning(home, key) };
}

const tunedBy = (options: SearchOptions, how: Tuned["how"], rates: readonly TuningRate[]): Tuned => ({
  ...chooseTuning(rates, untuned(options)),
  how,
  rates,
});
