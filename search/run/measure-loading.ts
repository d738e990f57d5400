import type { Segment } from "../plan/step.ts";
import type { Loading } from "../tune/measured.ts";
import { inTurns, secondsOf } from "./in-turns.ts";
import { openMeasured, type MeasuredSegmentOptions } from "./measured-segment.ts";
import { openSession } from "./segment-sessions.ts";

/** Turns, each of runs alone and beside loading. */
const TURNS = 4;
/** A load that takes longer than so many batches is measured beside its first part. */
const MOST_BATCHES = 8;

export interface MeasureLoadingOptions extends MeasuredSegmentOptions {
  /** Items that go through the segment together, and in all at most. */
  readonly batchSize: number;
  readonly mostItems: number;
  /** No other turn begins then. */
  readonly mostSeconds: number;
}

/** Loads a segment on a device alone, and beside runs of another. */
export async function measureLoading(
  running: Segment,
  loaded: Segment,
  { mostItems, batchSize, mostSeconds, ...options }: MeasureLoadingOptions,
): Promise<Loading> {
  const load = async (): Promise<void> => (await openSession(loaded, options)).release();
  await load(); // the first of its structure compiles what all run
  const seconds = Math.min(await secondsOf(load), await secondsOf(load)); // others only ever make it slower
  const affordable = Math.floor((mostItems / batchSize - 1) / (2 * TURNS));
  if (affordable < 1) return { seconds, hidden: 0 };
  const measured = await openMeasured(running, options.threads, options);
  try {
    const run = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index++) {
        await measured.run(batchSize);
        await new Promise(setImmediate); // as in a search
      }
    };
    const count = Math.min(affordable, MOST_BATCHES, Math.ceil(seconds / (await secondsOf(() => run(1)))));
    const beside = (): Promise<unknown> => Promise.all([load(), run(count)]);
    const turns = await inTurns({ turns: TURNS, mostSeconds }, () => run(count), beside);
    if (!turns) return { seconds, hidden: 0 };
    const hidden = Math.min(...turns.map(([alone, together]) => 1 - (together - alone) / seconds));
    return { seconds, hidden: Math.min(1, Math.max(0, hidden)) };
  } finally {
    await measured.release();
  }
}
