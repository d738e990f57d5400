import type { Segment } from "../plan/step.ts";
import { CONFIRMING_TURNS, type Tuning } from "../tune/tuning.ts";
import { inTurns } from "./in-turns.ts";
import type { MeasureRatesOptions } from "./measure-rates.ts";
import { openMeasured } from "./measured-segment.ts";

/**
 * Sends made-up items through a segment by two settings in turns, so that what else the machine does slows both.
 * @returns how many times as fast the other setting is as the usual one, turn by turn; none where there was no time for all
 */
export async function measureGain(
  segment: Segment,
  { usual, other }: { readonly usual: Tuning; readonly other: Tuning },
  { mostSeconds, ...options }: MeasureRatesOptions,
): Promise<number[]> {
  const first = await openMeasured(segment, usual.threads, options);
  const second = other.threads === usual.threads ? first : await openMeasured(segment, other.threads, options);
  try {
    const items = [await first.run(usual.batchSize), await second.run(other.batchSize)]; // they warm up
    const turns = await inTurns(
      { turns: CONFIRMING_TURNS, mostSeconds },
      () => first.run(usual.batchSize),
      () => second.run(other.batchSize),
    );
    return (turns ?? []).map(([a, b]) => a / (items[0] ?? 1) / (b / (items[1] ?? 1)));
  } finally {
    await first.release();
    if (second !== first) await second.release();
  }
}
