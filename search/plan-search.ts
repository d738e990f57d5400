import { defaultBatch } from "./default-batch.ts";
import { keepsResults, type Device } from "./device/device.ts";
import { runsOnDevice, type Attempt } from "./fall-back.ts";
import type { RoundPlan } from "./halving.ts";
import { knownFallback } from "./known-fallback.ts";
import type { PlanDevice } from "./plan/choose-layout.ts";
import { measurePictures, type BatchRule, type Measure } from "./plan/extent.ts";
import { planRound, type RoundInput } from "./plan/plan-round.ts";
import type { Plan } from "./plan/step.ts";
import { measureOf, prepareSearch } from "./prepare-search.ts";
import { orderOf, roundsOf, type SearchOptions } from "./search-options.ts";
import { rememberedTuning, untuned, type Tuned } from "./tune/tune-search.ts";

/** The plan of the first round; nothing is run. The later ones depend on scores. */
export function planFirstRound(
  options: SearchOptions,
  measure: Measure,
): { readonly plan: Plan; readonly rounds: readonly RoundPlan[] } {
  const { candidates, dataSet } = options;
  const rounds = roundsOf(options, candidates.length, dataSet.train.length);
  const { train: ranges, test } = orderOf(options, rounds);
  const train = ranges.slice(0, 1);
  const extractions = [{ items: { begin: 0, end: test.end }, candidates }];
  const round = { extractions, scored: candidates, train, test, keepLoaded: rounds.length > 1 };
  return { plan: planRound({ ...round, measure, ...planSettings(options, firstAttempt(options)) }), rounds };
}

/** What plans of all rounds have in common. */
export function planSettings(
  { strategy, budgetBytes, threads }: SearchOptions,
  attempt: Attempt,
): Pick<RoundInput, "share" | "budgetBytes" | "scorers" | "batchSize" | "lanes" | "device"> {
  const { device, deviceBudgetBytes, batchSize } = attempt;
  const planDevice: PlanDevice = {
    budgetBytes: deviceBudgetBytes,
    keepsResults: keepsResults(device),
    runs: (block) => runsOnDevice(attempt, block),
  };
  const share = strategy === "alsatian";
  return {
    share,
    budgetBytes,
    scorers: threads,
    batchSize,
    lanes: lanesOf(device, threads),
    ...(device !== "cpu" && { device: planDevice }),
  };
}

/** How a search is run as long as nothing fails. */
export function firstAttempt(options: SearchOptions): Attempt {
  const { candidates, device = "cpu", deviceBudgetBytes = 0, batchSize = defaultBatch(options) } = options;
  const { onCpu } = knownFallback(device, candidates);
  return { device, batchSize, deviceBudgetBytes, onCpu, shrunk: new Set() };
}

/** @param threads that the search really uses */
export const batchRule = ({ device, batchSize }: Attempt, threads: number): BatchRule => ({
  size: batchSize,
  isFixed: device !== "cpu",
  lanes: lanesOf(device, threads),
});

/** Batches that run at a time: the CPU's cores each have their own. */
export const lanesOf = (device: Device, threads: number): number => (device === "cpu" ? threads : 1);

/** As `planFirstRound`, for what the items really are: texts are tokenised for it, pictures are not decoded. */
export async function explainSearch(
  options: SearchOptions,
): Promise<ReturnType<typeof planFirstRound> & { readonly tuned: Tuned }> {
  const measure = await measureItemsOf(options);
  const explain = (asked: SearchOptions) =>
    planFirstRound(asked, measure(batchRule(firstAttempt(asked), asked.threads)));
  const explained = explain(options);
  const tuned = await rememberedTuning(options, explained.plan);
  if (!tuned) return { ...explained, tuned: untuned(options) };
  return { ...explain({ ...options, batchSize: tuned.batchSize }), tuned };
}

/** How much the items are, by how they are put into batches. */
async function measureItemsOf(options: SearchOptions): Promise<(rule: BatchRule) => Measure> {
  if (options.dataSet.kind === "image") return measurePictures;
  const rounds = roundsOf(options, options.candidates.length, options.dataSet.train.length);
  const { setup, kept } = await prepareSearch({ ...options, order: orderOf(options, rounds) });
  await kept;
  return (rule) => measureOf(setup.roots, rule);
}
