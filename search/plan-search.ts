import { keepsResults } from "./device/device.ts";
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
  attempt = firstAttempt(options),
): { readonly plan: Plan; readonly rounds: readonly RoundPlan[] } {
  const { candidates, dataSet } = options;
  const rounds = roundsOf(options, candidates.length, dataSet.train.length);
  const { train: ranges, test } = orderOf(options, rounds);
  const train = ranges.slice(0, 1);
  const extractions = [{ items: { begin: 0, end: test.end }, candidates }];
  const round = { extractions, scored: candidates, train, test, keepLoaded: rounds.length > 1 };
  return { plan: planRound({ ...round, measure, ...planSettings(options, attempt) }), rounds };
}

/** So many that scoring never waits for the next feature, and few enough to be trained soon. */
const SCORES_PER_THREAD = 8;

/** What plans of all rounds have in common. */
export function planSettings(
  { strategy, budgetBytes }: SearchOptions,
  attempt: Attempt,
): Pick<
  RoundInput,
  "share" | "budgetBytes" | "mostScores" | "batchSize" | "lanes" | "loadAhead" | "speeds" | "device"
> {
  const { device, deviceBudgetBytes, batchSize, threads, loadAhead, speeds } = attempt;
  const planDevice: PlanDevice = {
    budgetBytes: deviceBudgetBytes,
    keepsResults: keepsResults(device),
    runs: (block) => runsOnDevice(attempt, block),
  };
  const share = strategy === "alsatian";
  const settings = {
    share,
    budgetBytes,
    mostScores: SCORES_PER_THREAD * threads,
    batchSize,
    lanes: lanesOf(attempt),
    loadAhead,
    speeds,
  };
  return { ...settings, ...(device !== "cpu" && { device: planDevice }) };
}

/** How a search is run as long as nothing fails. @param known blocks of the candidates that the device cannot run */
export function firstAttempt(
  options: SearchOptions,
  { onCpu } = knownFallback(options.device ?? "cpu", options.candidates),
): Attempt {
  const { device = "cpu", deviceBudgetBytes = 0 } = options;
  const { batchSize, threads, loadAhead, speeds } = untuned(options);
  return { device, batchSize, threads, loadAhead, speeds, deviceBudgetBytes, onCpu, shrunk: new Set() };
}

/** The same, by what was measured. */
export const tunedAttempt = (attempt: Attempt, { batchSize, threads, loadAhead, speeds }: Tuned): Attempt => ({
  ...attempt,
  ...{ batchSize, threads, loadAhead, speeds },
});

export const batchRule = (attempt: Attempt): BatchRule => ({
  size: attempt.batchSize,
  isFixed: attempt.device !== "cpu",
  lanes: lanesOf(attempt),
});

/** Batches that run at a time: the CPU's cores each have their own. */
export const lanesOf = ({ device, threads }: Pick<Attempt, "device" | "threads">): number =>
  device === "cpu" ? threads : 1;

/** As `planFirstRound`, for what the items really are: texts are tokenised for it, pictures are not decoded. */
export async function explainSearch(
  options: SearchOptions,
): Promise<ReturnType<typeof planFirstRound> & { readonly tuned: Tuned }> {
  const measure = await measureItemsOf(options);
  const attempt = firstAttempt(options);
  const explain = (by: Attempt) => planFirstRound(options, measure(batchRule(by)), by);
  const explained = explain(attempt);
  const tuned = await rememberedTuning(options, explained.plan);
  return tuned ? { ...explain(tunedAttempt(attempt, tuned)), tuned } : { ...explained, tuned: untuned(options) };
}

/** How much the items are, by how they are put into batches. */
async function measureItemsOf(options: SearchOptions): Promise<(rule: BatchRule) => Measure> {
  if (options.dataSet.kind === "image") return measurePictures;
  const rounds = roundsOf(options, options.candidates.length, options.dataSet.train.length);
  const { setup, kept } = await prepareSearch({ ...options, order: orderOf(options, rounds) });
  await kept;
  return (rule) => measureOf(setup.roots, rule);
}
