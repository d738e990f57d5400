import type { Device } from "../device/device.ts";
import { bytesOf } from "../plan/extent.ts";
import { DEFAULT_BATCH } from "../plan/plan-round.ts";
import type { Plan, Segment } from "../plan/step.ts";
import { rangeLength } from "../plan/step.ts";

/** What can be tuned: the rest of a plan (chunks, what is loaded ahead) follows from budgets by cost. */
export interface Tuning {
  /** Items that go through a graph together. */
  readonly batchSize: number;
  /** Threads of onnxruntime within an operator. */
  readonly threads: number;
}

/** How fast items went through a segment. */
export interface TuningRate extends Tuning {
  readonly itemsPerSecond: number;
}

/** From memory that caches hold to shapes that fill a large GPU. */
const BATCHES = [8, 16, 32, 64, 128];
/** A setting must be so much faster than the default to be taken: less is noise. */
const LEAST_GAIN = 1.1;
/** Of the budget, what the largest result of a batch may take: a graph holds a few of them at a time. */
const BATCH_SHARE = 1 / 8;
/** Operations a second, so roughly that it only tells searches of seconds from searches of minutes. */
const FLOP_RATES: Readonly<Record<Device, number>> = { cpu: 1e11, webgpu: 1e12, cuda: 5e12, dml: 1e12, coreml: 5e11 };
/** Searches that take less than this cannot earn back what measuring takes. */
export const LEAST_TUNED_SECONDS = 60;

/** The segment that most of a plan's work goes through, and how much work all of it is. */
export function heaviestSegment({
  steps,
  segments,
}: Plan): { readonly segment: Segment; readonly flops: number } | null {
  const work = new Map<string, number>();
  let all = 0;
  for (const step of steps) {
    if (step.kind !== "run") continue;
    const segment = segments[step.segment];
    const perItem = segment?.blocks.reduce((sum, { flopsPerItem }) => sum + flopsPerItem, 0) ?? 0;
    const flops = perItem * rangeLength(step.items);
    work.set(step.segment, (work.get(step.segment) ?? 0) + flops);
    all += flops;
  }
  const [id] = [...work].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))[0] ?? [];
  const segment = id === undefined ? undefined : segments[id];
  return segment ? { segment, flops: all } : null;
}

/** Roughly how long a search takes. @param flops of its first round, which goes through most items */
export const estimateSeconds = (flops: number, device: Device): number => flops / FLOP_RATES[device];

/** What to measure: the default first, then batches of other sizes, then fewer threads. */
export function tuningCandidates(
  segment: Segment,
  { threads, device, budgetBytes }: { readonly threads: number; readonly device: Device; readonly budgetBytes: number },
): Tuning[] {
  const perItem = Math.max(
    ...segment.blocks.map(({ outputBytes }) => bytesOf(outputBytes, { items: 1, tokens: TOKENS })),
  );
  const fits = (batchSize: number) => batchSize * perItem <= BATCH_SHARE * budgetBytes;
  const sizes = BATCHES.filter((batchSize) => batchSize !== DEFAULT_BATCH && fits(batchSize));
  // where cores have two threads each, one is often as fast
  const half = device === "cpu" && threads >= 4 ? [{ batchSize: DEFAULT_BATCH, threads: threads >> 1 }] : [];
  return [{ batchSize: DEFAULT_BATCH, threads }, ...sizes.map((batchSize) => ({ batchSize, threads })), ...half];
}
/** Of a text of usual length. */
const TOKENS = 128;

/** The fastest, unless it is hardly faster than the default, which is the first of the rates. */
export function chooseTuning(rates: readonly TuningRate[], fallback: Tuning): Tuning {
  const [usual] = rates;
  if (!usual) return fallback;
  const best = rates.reduce((fastest, rate) => (rate.itemsPerSecond > fastest.itemsPerSecond ? rate : fastest), usual);
  const { batchSize, threads } = best.itemsPerSecond >= LEAST_GAIN * usual.itemsPerSecond ? best : usual;
  return { batchSize, threads };
}
