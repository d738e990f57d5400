import { DEFAULT_BATCH } from "../plan/plan-round.ts";
import type { Segment } from "../plan/step.ts";
import { hiddenShare } from "../tune/load-ahead.ts";
import type { Loading } from "../tune/measured.ts";
import { BufferPool } from "./buffer-pool.ts";
import { inTurns, secondsOf } from "./in-turns.ts";
import { madeUpItems } from "./made-up-items.ts";
import type { RootInputs } from "./root-inputs.ts";
import { SegmentSessions, type OpenSegment, type SessionOptions } from "./segment-sessions.ts";

/** Turns, each of runs alone and beside loading. */
const TURNS = 5;
/** Loads of a turn, one after the other: one alone is shorter than what else the machine does. */
const LOADS = 3;
/** Loads that take longer than so many batches are measured beside their first part. */
const MOST_BATCHES = 8;

export interface MeasureLoadingOptions extends Omit<SessionOptions, "pool" | "fillThreads"> {
  /** No more items go through the segment that runs. */
  readonly mostItems: number;
  /** No other turn begins then. */
  readonly mostSeconds: number;
}

/** Loads a segment alone, and beside runs of another in batches of the default size. */
export async function measureLoading(
  running: Segment,
  loaded: Segment,
  { mostItems, mostSeconds, ...options }: MeasureLoadingOptions,
): Promise<Loading> {
  // buffers are used again, as in a search
  const sessions = new SegmentSessions({ ...options, pool: new BufferPool(2 * loaded.weightBytes) });
  try {
    const load = async (): Promise<void> => (await sessions.open(loaded)).release();
    await load(); // the first of its structure opens a session for all
    const seconds = Math.min(await secondsOf(load), await secondsOf(load)); // others only ever make it slower
    const affordable = Math.floor((mostItems / DEFAULT_BATCH - 1) / (2 * TURNS));
    if (affordable < 1) return { seconds, hidden: 0 };
    const open = await sessions.open(running);
    try {
      const run = runsOf(open, options.roots.get(running.root));
      const count = Math.min(affordable, MOST_BATCHES, Math.ceil((LOADS * seconds) / (await secondsOf(() => run(1)))));
      const loads = async (): Promise<void> => {
        for (let index = 0; index < LOADS; index++) await load();
      };
      const beside = (): Promise<unknown> => Promise.all([loads(), run(count)]);
      const turns = await inTurns({ turns: TURNS, mostSeconds }, () => run(count), beside);
      return { seconds, hidden: hiddenShare(turns ?? [], LOADS * seconds) };
    } finally {
      await open.release();
    }
  } finally {
    await sessions.close();
  }
}

function runsOf({ session }: OpenSegment, root: RootInputs | undefined) {
  if (!root) throw new Error("there are no items for the segment that runs");
  const feeds = madeUpItems(root, DEFAULT_BATCH, session.inputNames);
  return async (count: number): Promise<void> => {
    for (let index = 0; index < count; index++) {
      await session.run(feeds);
      await new Promise(setImmediate); // as in a search: threads that load are heard
    }
  };
}
