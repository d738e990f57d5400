import type { Segment } from "../plan/step.ts";
import { hiddenShare } from "../tune/load-ahead.ts";
import type { Loading } from "../tune/measured.ts";
import { inTurns, secondsOf } from "./in-turns.ts";
import { openMeasured, type MeasuredSegmentOptions } from "./measured-segment.ts";
import { openSession } from "./open-session.ts";

/** Turns, each of runs alone and beside loading. */
const TURNS = 5;
/** Loads of a turn, one after the other: one alone is shorter than what else the machine does. */
const LOADS = 3;
/** Loads that take longer than so many batches are measured beside their first part. */
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
    const loads = async (): Promise<void> => {
      for (let index = 0; index < LOADS; index++) await load();
    };
    const count = Math.min(affordable, MOST_BATCHES, Math.ceil((LOADS * seconds) / (await secondsOf(() => run(1)))));
    const beside = (): Promise<unknown> => Promise.all([loads(), run(count)]);
    const turns = await inTurns({ turns: TURNS, mostSeconds }, () => run(count), beside);
    return { seconds, hidden: hiddenShare(turns ?? [], LOADS * seconds) };
  } finally {
    await measured.release();
  }
}
