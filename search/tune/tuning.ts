import type { Device } from "../device/device.ts";
import { flopsOf, largestResult } from "../plan/chain-cost.ts";
import type { Plan, Segment } from "../plan/step.ts";
import { rangeLength } from "../plan/step.ts";

/** How items go through a graph. */
export interface Tuning {
  /** Items that go through a graph together. */
  readonly batchSize: number;
  /** Cores that run batches, each its own; on a device, threads for what runs on the CPU. */
  readonly threads: number;
}

/** How fast items went through a segment. */
export interface TuningRate extends Tuning {
  readonly itemsPerSecond: number;
}

/** Beside the default, what is likeliest to gain first: from what caches hold to what fills a large GPU. */
const BATCHES = [64, 16, 32, 128, 8];
/** A setting must be so many times as fast as the default to be taken: less is noise. */
const LEAST_GAIN = 1.1;
/** Of the budget, what the largest result of a batch may take: a graph holds a few of them at a time. */
const BATCH_SHARE = 1 / 8;
/** Operations a second, so roughly that it only tells searches of seconds from searches of minutes. */
const FLOP_RATES: Readonly<Record<Device, number>> = { cpu: 1e11, webgpu: 1e12, cuda: 5e12, dml: 1e12, coreml: 5e11 };

/** Runs of a batch that are measured, with the one that warms up; more only while that takes no time to speak of. */
export const MEASURED_RUNS = 3;
/** What looks fastest is run in so many turns with the default. */
export const CONFIRMING_TURNS = 5;

/** When measuring pays: it is lost where the default is best. */
export interface TuningLimits {
  /** Searches that are estimated to take less are not tuned. */
  readonly leastSeconds: number;
  /** Of the items that go through the heaviest segment, what measuring may take. */
  readonly share: number;
}

export const TUNING_LIMITS: TuningLimits = { leastSeconds: 60, share: 0.02 };

/** Where most of a plan's work is. */
export interface HeaviestSegment {
  readonly segment: Segment;
  /** That go through it. */
  readonly items: number;
  /** Operations of an item. */
  readonly flopsPerItem: number;
  /** Operations of the whole plan. */
  readonly flops: number;
}

export function heaviestSegment({ steps, segments }: Plan): HeaviestSegment | null {
  const items = new Map<string, number>();
  for (const step of steps) {
    if (step.kind !== "run") continue;
    items.set(step.segment, (items.get(step.segment) ?? 0) + rangeLength(step.items));
  }
  const work = [...items].flatMap(([id, count]) => {
    const segment = segments[id];
    const flopsPerItem = segment ? flopsOf(segment) : 0;
    return segment ? [{ segment, items: count, flopsPerItem, flops: flopsPerItem * count }] : [];
  });
  const [heaviest] = work.sort((a, b) => b.flops - a.flops || (a.segment.id < b.segment.id ? -1 : 1));
  return heaviest ? { ...heaviest, flops: work.reduce((sum, { flops }) => sum + flops, 0) } : null;
}

/** Roughly how long a search takes. @param flops of its first round, which goes through most items */
export const estimateSeconds = (flops: number, device: Device): number => flops / FLOP_RATES[device];

export interface TuningOptions extends Pick<TuningLimits, "share"> {
  readonly threads: number;
  /** What is used where nothing is measured. */
  readonly batchSize: number;
  readonly device: Device;
  readonly budgetBytes: number;
}

/**
 * What to measure: the default first, then batches of other sizes, then fewer threads; as many as measuring has items for.
 * Empty where not even two can be compared.
 */
export function tuningCandidates(
  { segment, items }: Pick<HeaviestSegment, "segment" | "items">,
  { threads, batchSize: usual, device, budgetBytes, share }: TuningOptions,
): Tuning[] {
  const perItem = largestResult(segment);
  const fits = (batchSize: number) => batchSize * perItem <= BATCH_SHARE * budgetBytes;
  const sizes = BATCHES.filter((batchSize) => batchSize !== usual && fits(batchSize));
  // where cores have two threads each, one is often as fast
  const half = device === "cpu" && threads >= 4 ? [{ batchSize: usual, threads: threads >> 1 }] : [];
  const others = [...sizes.map((batchSize) => ({ batchSize, threads })), ...half];
  const affordable: Tuning[] = [{ batchSize: usual, threads }];
  for (const candidate of others)
    if (tuningItems([...affordable, candidate], device) <= share * items) affordable.push(candidate);
  return affordable.length < 2 ? [] : affordable;
}

/**
 * Items that go through a segment at most to measure candidates: each alone, and the largest in turns with the default, which
 * is the first of them. On the CPU each core runs a batch.
 */
export function tuningItems(candidates: readonly Tuning[], device: Device): number {
  const sizes = candidates.map(({ batchSize, threads }) => (device === "cpu" ? threads : 1) * batchSize);
  const [usual = 0] = sizes;
  const confirming = (CONFIRMING_TURNS + 1) * (usual + Math.max(0, ...sizes));
  return MEASURED_RUNS * sizes.reduce((sum, size) => sum + size, 0) + confirming;
}

/** What looks clearly faster than the default, which is the first of the rates. */
export function fastestOf([usual, ...others]: readonly TuningRate[]): TuningRate | null {
  const least = LEAST_GAIN * (usual?.itemsPerSecond ?? Infinity);
  const best = others.reduce<TuningRate | null>(
    (fastest, rate) => (rate.itemsPerSecond > (fastest?.itemsPerSecond ?? 0) ? rate : fastest),
    null,
  );
  return best && best.itemsPerSecond >= least ? best : null;
}

/** Whether gains over the default are more than noise: in every turn there was one, and half of them are large enough. */
export const isFaster = (gains: readonly number[]): boolean =>
  gains.length > 0 &&
  gains.every((gain) => gain > 1) &&
  (gains.toSorted((a, b) => a - b)[gains.length >> 1] ?? 0) >= LEAST_GAIN;
