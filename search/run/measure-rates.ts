import type ort from "onnxruntime-node";
import type { Segment } from "../plan/step.ts";
import { MEASURED_RUNS, type Tuning, type TuningRate } from "../tune/tuning.ts";
import { BufferPool } from "./buffer-pool.ts";
import { madeUpItems } from "./made-up-items.ts";
import { SegmentSessions, type SessionOptions } from "./segment-sessions.ts";

/** More runs of a batch are measured than have to be, while those that count take less than this together. */
const MOST_RUNS = 10;
const LEAST_SECONDS = 0.3;

export interface MeasureRatesOptions extends Omit<SessionOptions, "pool" | "fillThreads"> {
  /** Stop when so many seconds have gone; what was measured until then is answered. */
  readonly mostSeconds: number;
}

/**
 * Sends made-up items through a segment that takes the items themselves, in batches of each size.
 * @param segment with its weights as constants, and its result in the machine's memory
 */
export async function measureRates(
  segment: Segment,
  candidates: readonly Tuning[],
  { mostSeconds, ...options }: MeasureRatesOptions,
): Promise<TuningRate[]> {
  const root = options.roots.get(segment.root);
  if (!root || !segment.isFirst) throw new Error(`segment ${segment.id} takes no items`);
  const start = performance.now();
  const rates: TuningRate[] = [];
  for (const threads of new Set(candidates.map((candidate) => candidate.threads))) {
    const sessions = new SegmentSessions({ ...options, threads, fillThreads: 0, pool: new BufferPool(0) });
    try {
      const open = await sessions.open(segment);
      try {
        for (const candidate of candidates.filter((other) => other.threads === threads)) {
          if ((performance.now() - start) / 1000 > mostSeconds) return rates;
          const feeds = madeUpItems(root, candidate.batchSize, open.session.inputNames);
          rates.push({ ...candidate, itemsPerSecond: candidate.batchSize / (await secondsOf(open.session, feeds)) });
        }
      } finally {
        await open.release();
      }
    } finally {
      await sessions.close();
    }
  }
  return rates;
}

/** Of the fastest run: others only ever make one slower. */
async function secondsOf(session: ort.InferenceSession, feeds: Readonly<Record<string, ort.Tensor>>): Promise<number> {
  let best = Infinity;
  let sum = 0;
  for (let run = 0; run < MEASURED_RUNS || (run < MOST_RUNS && sum < LEAST_SECONDS); run++) {
    const start = performance.now();
    await session.run(feeds);
    const seconds = (performance.now() - start) / 1000;
    if (run === 0) continue; // it warms up
    best = Math.min(best, seconds);
    sum += seconds;
  }
  return best;
}
