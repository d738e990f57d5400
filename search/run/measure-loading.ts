import { DEFAULT_BATCH } from "../plan/plan-round.ts";
import type { Segment } from "../plan/step.ts";
import type { Loading } from "../tune/measured.ts";
import { BufferPool } from "./buffer-pool.ts";
import { madeUpItems } from "./made-up-items.ts";
import type { RootInputs } from "./root-inputs.ts";
import { SegmentSessions, type OpenSegment, type SessionOptions } from "./segment-sessions.ts";

/** The best of so many counts: others only ever make one slower. */
const TRIES = 2;

export interface MeasureLoadingOptions extends Omit<SessionOptions, "pool" | "fillThreads"> {
  /** No more items go through the segment that runs. */
  readonly mostItems: number;
}

/** Loads a segment alone, and beside runs of another in batches of the default size. */
export async function measureLoading(
  running: Segment,
  loaded: Segment,
  { mostItems, ...options }: MeasureLoadingOptions,
): Promise<Loading> {
  // buffers are used again, as in a search
  const sessions = new SegmentSessions({ ...options, pool: new BufferPool(2 * loaded.weightBytes) });
  try {
    const load = async (): Promise<void> => (await sessions.open(loaded)).release();
    await load(); // the first of its structure opens a session for all
    const seconds = await best(load);
    const affordable = Math.floor((mostItems / DEFAULT_BATCH - 1) / (2 * TRIES));
    if (affordable < 1) return { seconds, hidden: 0 };
    const open = await sessions.open(running);
    try {
      const run = runsOf(open, options.roots.get(running.root));
      const count = Math.min(affordable, Math.ceil(seconds / (await secondsOf(() => run(1)))));
      const alone = await best(() => run(count));
      const together = await best(() => Promise.all([load(), run(count)]));
      return { seconds, hidden: Math.min(1, Math.max(0, 1 - (together - alone) / seconds)) };
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

async function best(work: () => Promise<unknown>): Promise<number> {
  let least = Infinity;
  for (let index = 0; index < TRIES; index++) least = Math.min(least, await secondsOf(work));
  return least;
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
