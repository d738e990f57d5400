import type { Segment } from "../plan/step.ts";
import { CONFIRMING_TURNS, type Tuning } from "../tune/tuning.ts";
import { BufferPool } from "./buffer-pool.ts";
import { inTurns } from "./in-turns.ts";
import { madeUpItems } from "./made-up-items.ts";
import type { MeasureRatesOptions } from "./measure-rates.ts";
import { SegmentSessions } from "./segment-sessions.ts";

/**
 * Sends made-up items through a segment by two settings in turns, so that what else the machine does slows both.
 * @returns how many times as fast the other setting is as the usual one, turn by turn; none where there was no time for all
 */
export async function measureGain(
  segment: Segment,
  { usual, other }: { readonly usual: Tuning; readonly other: Tuning },
  { mostSeconds, ...options }: MeasureRatesOptions,
): Promise<number[]> {
  const root = options.roots.get(segment.root);
  if (!root) throw new Error(`segment ${segment.id} takes no items`);
  const closing: (() => Promise<void>)[] = [];
  const opened = async ({ batchSize, threads }: Tuning): Promise<() => Promise<unknown>> => {
    const sessions = new SegmentSessions({ ...options, threads, fillThreads: 0, pool: new BufferPool(0) });
    closing.unshift(() => sessions.close());
    const { session, release } = await sessions.open(segment);
    closing.unshift(release);
    const feeds = madeUpItems(root, batchSize, session.inputNames);
    await session.run(feeds); // it warms up
    return () => session.run(feeds);
  };
  try {
    const limits = { turns: CONFIRMING_TURNS, mostSeconds };
    const turns = await inTurns(limits, await opened(usual), await opened(other));
    return (turns ?? []).map(([a, b]) => a / usual.batchSize / (b / other.batchSize));
  } finally {
    for (const close of closing) await close();
  }
}
