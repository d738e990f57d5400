import type { Segment } from "../plan/step.ts";
import { MEASURED_RUNS, type Tuning, type TuningRate } from "../tune/tuning.ts";
import { openMeasured, type MeasuredSegment, type MeasuredSegmentOptions } from "./measured-segment.ts";

/** More runs of a batch are measured than have to be, while those that count take less than this together. */
const MOST_RUNS = 10;
const LEAST_SECONDS = 0.3;

export interface MeasureRatesOptions extends MeasuredSegmentOptions {
  /** Stop when so many seconds have gone; what was measured until then is answered. */
  readonly mostSeconds: number;
}

/** Sends made-up items through a segment that takes the items themselves, in batches of each size. */
export async function measureRates(
  segment: Segment,
  candidates: readonly Tuning[],
  { mostSeconds, ...options }: MeasureRatesOptions,
): Promise<TuningRate[]> {
  const start = performance.now();
  const rates: TuningRate[] = [];
  for (const threads of new Set(candidates.map((candidate) => candidate.threads))) {
    const measured = await openMeasured(segment, threads, options);
    try {
      for (const candidate of candidates.filter((other) => other.threads === threads)) {
        if ((performance.now() - start) / 1000 > mostSeconds) return rates;
        rates.push({ ...candidate, itemsPerSecond: await fastest(measured, candidate.batchSize) });
      }
    } finally {
      await measured.release();
    }
  }
  return rates;
}

/** Items a second of the fastest run: others only ever make one slower. */
async function fastest(measured: MeasuredSegment, batchSize: number): Promise<number> {
  let best = 0;
  let sum = 0;
  for (let run = 0; run < MEASURED_RUNS || (run < MOST_RUNS && sum < LEAST_SECONDS); run++) {
    const start = performance.now();
    const items = await measured.run(batchSize);
    const seconds = (performance.now() - start) / 1000;
    if (run === 0) continue; // it warms up
    best = Math.max(best, items / seconds);
    sum += seconds;
  }
  return best;
}
