import { join } from "node:path";
import { inferenceEnvironment } from "../../search/device/inference-environment.ts";
import { featureOf, type Candidate } from "../../search/plan/candidate.ts";
import { planRound, type Extraction } from "../../search/plan/plan-round.ts";
import { memoryOf, rangeLength, type Plan, type Segment, type Step } from "../../search/plan/step.ts";
import { orderItems } from "../../search/item-order.ts";
import { batchRule, firstAttempt, lanesOf, planSettings } from "../../search/plan-search.ts";
import { measureOf, prepareSearch } from "../../search/prepare-search.ts";
import { openFeatureStore } from "../../search/run/feature-store.ts";
import { Lanes } from "../../search/run/lanes.ts";
import { openRunner } from "../../search/run/open-runner.ts";
import type { Runner } from "../../search/run/runner.ts";
import { roundsOf, type SearchOptions } from "../../search/search-options.ts";
import type { SearchResult } from "../../search/search-result.ts";
import { median } from "./median.ts";

/**
 * The bound: what a search would take if it did nothing but the unique work of its rounds, each block on each item once,
 * as fast as this machine does that work. It is a sum over the segments of the shared task trees of the rounds that
 * really ran, with no limit on memory:
 *
 *     bound = sum of (items of the segment) x (measured seconds an item of that segment)
 *
 * A segment (an unbranched run of blocks: the common trunk, or what one snapshot has for itself) is measured as one fused
 * graph by the search's own runner, so with the same session options, threads and batch size: warm, in full batches,
 * reading prepared pictures a batch at a time, several times, of which the median counts. Segments that only differ in their weights take
 * the same time and are measured once. Reading and decoding items, opening sessions, the proxy, partial batches and
 * everything else is not in the bound, so it cannot be reached.
 */
export interface SegmentSpeeds {
  /** Seconds an item, by the segment's structure. */
  readonly secondsPerItem: ReadonlyMap<string, number>;
}

/** A search's settings; what it is measured with. */
type BoundOptions = Omit<SearchOptions, "strategy" | "batchSize"> & { readonly batchSize: number };

/** Batches that a measurement takes through a segment. */
const BATCHES = 4;
/** A segment is measured until both are reached, in seconds and times, but not more often than the most. */
const LEAST_SECONDS = 0.3;
const LEAST_TIMES = 3;
const MOST_TIMES = 15;

/** What a segment's time follows from: its graphs and the size of what goes in. */
const structureOf = ({ isFirst, input, blocks }: Segment): string =>
  JSON.stringify([isFirst, input.dims, blocks.map(({ graphHash }) => graphHash)]);

/** The shared plans of the rounds that a search ran, as if memory had no limit. */
export function sharedPlans(options: SearchOptions, result: SearchResult): Plan[] {
  const lastRound = new Map(result.ranking.map(({ model, round }) => [model, round]));
  const { candidates, dataSet, seed } = options;
  const rounds = roundsOf(options, candidates.length, dataSet.train.length);
  const { train, test } = orderItems(dataSet, rounds, seed);
  return rounds.map(({ round }) => {
    const models = candidates.filter(({ modelId }) => (lastRound.get(modelId) ?? 0) >= round);
    const range = train[round - 1] ?? NONE;
    return sharedPlan([{ items: round === 1 ? { begin: 0, end: test.end } : range, candidates: models }]);
  });
}

const NONE = { begin: 0, end: 0 };

const sharedPlan = (extractions: readonly Extraction[]): Plan =>
  planRound({
    extractions: extractions.filter(({ items }) => rangeLength(items) > 0),
    scored: [],
    train: extractions.map(({ items }) => items),
    test: NONE,
    share: true,
    budgetBytes: Number.MAX_SAFE_INTEGER,
  });

/**
 * The work of the same rounds if every model ran alone: as the bound, but each segment counts once for every model whose
 * chain leads through it.
 */
export const aloneSeconds = (plans: readonly Plan[], speeds: SegmentSpeeds, candidates: readonly Candidate[]): number =>
  boundSeconds(plans, speeds, (plan) => {
    const features = featuresOf(plan);
    const chains = candidates
      .filter((candidate) => features.has(featureOf(candidate)))
      .map(({ blocks }) => new Set(blocks.map(({ prefixId }) => prefixId)));
    return (result) => chains.filter((chain) => chain.has(result)).length;
  });

const featuresOf = ({ steps }: Plan): ReadonlySet<string> =>
  new Set(steps.flatMap((step) => (step.kind === "keep" ? [step.feature] : [])));

/** @param timesOf how often the work that leads to a result counts, in a plan @throws Error when a segment was not measured */
export function boundSeconds(
  plans: readonly Plan[],
  { secondsPerItem }: SegmentSpeeds,
  timesOf: (plan: Plan) => (result: string) => number = () => () => 1,
): number {
  let seconds = 0;
  for (const plan of plans) {
    const { steps, segments } = plan;
    const times = timesOf(plan);
    for (const step of steps) {
      if (step.kind !== "run") continue;
      const segment = segments[step.segment];
      const speed = segment && secondsPerItem.get(structureOf(segment));
      if (speed === undefined) throw new Error(`segment ${step.segment} was not measured`);
      seconds += times(segment?.blocks.at(-1)?.prefixId ?? "") * speed * rangeLength(step.items);
    }
  }
  return seconds;
}

/** Segment speeds of several measurements: the median of each. */
export function medianSpeeds(measured: readonly SegmentSpeeds[]): SegmentSpeeds {
  const structures = new Set(measured.flatMap(({ secondsPerItem }) => [...secondsPerItem.keys()]));
  const of = (structure: string) => median(measured.flatMap((speeds) => speeds.secondsPerItem.get(structure) ?? []));
  return { secondsPerItem: new Map([...structures].map((structure) => [structure, of(structure)])) };
}

/** Measures every structure of segments that the plans have. */
export async function measureSegments(options: BoundOptions, plans: readonly Plan[]): Promise<SegmentSpeeds> {
  const order = orderItems(options.dataSet, [], options.seed);
  const { setup: prepared, ready, kept } = await prepareSearch({ ...options, order });
  await Promise.all([...ready.values(), kept]);
  const features = openFeatureStore(join(options.home, "bound"), () => "");
  // a device's libraries look at it when they are loaded, here as in the process of inference
  Object.assign(process.env, inferenceEnvironment(prepared.device));
  const lanes = new Lanes(prepared.threads);
  const runner = await openRunner({
    ...prepared,
    store: options.store,
    features,
    lanes,
    spillFolder: join(options.home, "bound", "spill"),
    isInterrupted: () => options.signal?.aborted ?? false,
  });
  // whole batches only, and as many on each lane, where there are so many items
  const together = options.batchSize * lanesOf(prepared);
  const count = Math.min(BATCHES * together, prepared.rows.length);
  const items = { begin: 0, end: count - (count > together ? count % together : 0) };
  const shared = { ...options, strategy: "alsatian" as const };
  const { device } = planSettings(shared, firstAttempt(shared));
  const measure = measureOf(prepared.roots, batchRule(firstAttempt(shared)));
  const secondsPerItem = new Map<string, number>();
  try {
    for (const models of modelSets(plans, options.candidates)) {
      const plan = planRound({
        extractions: [{ items, candidates: models }],
        scored: [],
        train: [items],
        test: NONE,
        share: true,
        budgetBytes: Number.MAX_SAFE_INTEGER,
        batchSize: options.batchSize,
        lanes: lanesOf(prepared),
        measure,
        ...(device && { device: { ...device, budgetBytes: Number.MAX_SAFE_INTEGER } }),
      });
      await measurePlan(plan, runner, secondsPerItem);
    }
  } finally {
    await runner.close();
    await lanes.close();
    await features.close();
  }
  return { secondsPerItem };
}

/** The models of each plan, each set once. */
function modelSets(plans: readonly Plan[], candidates: readonly Candidate[]): Candidate[][] {
  const sets = new Map<string, Candidate[]>();
  for (const plan of plans) {
    const features = featuresOf(plan);
    const models = candidates.filter((candidate) => features.has(featureOf(candidate)));
    sets.set(models.map(({ modelId }) => modelId).join("\n"), models);
  }
  return [...sets.values()];
}

/** Performs a plan as far as it leads to segments of a structure that is not measured yet. */
async function measurePlan(plan: Plan, runner: Runner, secondsPerItem: Map<string, number>): Promise<void> {
  const wanted = firstOfEach(plan, secondsPerItem);
  const { slots, segments } = whatLeadsTo(plan, wanted);
  for (const step of plan.steps) {
    switch (step.kind) {
      case "load":
      case "unload":
        if (segments.has(step.segment)) await runner.perform(step, plan);
        break;
      case "input":
        if (slots.has(step.to)) await runner.perform(step, plan);
        break;
      case "run": {
        const structure = wanted.get(step);
        if (!slots.has(step.to)) break;
        // by itself: dealt to all lanes
        const alone = { ...plan, steps: [step] };
        await runner.perform(step, alone);
        await runner.settle();
        if (structure !== undefined) secondsPerItem.set(structure, await timeStep(step, alone, runner));
        break;
      }
      case "release":
        if (slots.has(step.slot)) await runner.perform(step, plan);
        break;
      case "keep":
      case "score":
      case "scored":
        break;
    }
  }
}

type Run = Extract<Step, { kind: "run" }>;

function firstOfEach({ steps, segments }: Plan, known: ReadonlyMap<string, number>): Map<Run, string> {
  const wanted = new Map<Run, string>();
  const seen = new Set(known.keys());
  for (const step of steps) {
    if (step.kind !== "run") continue;
    const segment = segments[step.segment];
    if (!segment) continue;
    const structure = structureOf(segment);
    if (!seen.has(structure)) wanted.set(step, structure);
    seen.add(structure);
  }
  return wanted;
}

/** The results, and the segments, that some runs need: their own and what they come from. */
function whatLeadsTo({ steps }: Plan, wanted: ReadonlyMap<Run, string>) {
  const slots = new Set<string>();
  const segments = new Set<string>();
  for (const step of steps.toReversed()) {
    if (step.kind !== "run" || !(wanted.has(step) || slots.has(step.to))) continue;
    for (const slot of [step.to, step.from, step.inputs]) slots.add(slot);
    segments.add(step.segment);
  }
  return { slots, segments };
}

/** Seconds an item of a run that was performed once already, to warm up. */
async function timeStep(step: Run, plan: Plan, runner: Runner): Promise<number> {
  const times: number[] = [];
  let sum = 0;
  while (times.length < MOST_TIMES && (times.length < LEAST_TIMES || sum < LEAST_SECONDS)) {
    await runner.perform({ kind: "release", slot: step.to, memory: memoryOf(step.place), bytes: step.bytes }, plan);
    const start = performance.now();
    await runner.perform(step, plan);
    await runner.settle();
    const seconds = (performance.now() - start) / 1000;
    times.push(seconds);
    sum += seconds;
  }
  return median(times) / rangeLength(step.items);
}
