import { flopsOf, largestResult } from "./plan/chain-cost.ts";
import { DEFAULT_BATCH } from "./plan/plan-round.ts";
import type { SearchOptions } from "./search-options.ts";

/** What the largest values of all batches under way may take together: a graph holds a few such values at a time. */
const WORKSPACE_BYTES = 64e6;
/** Smaller batches are slower on every processor. */
const LEAST_BATCH = 4;
/** Operations of a batch: a core takes tenths of a second for them, for which others may wait at the end of a round. */
const BATCH_FLOPS = 4e10;

/**
 * Items that go through a graph together where nothing is known of the machine. On the CPU each core runs a batch of its
 * own, so that large pictures, or many cores, go by smaller batches: together they take about as much memory. So do items
 * that take long: no core shall wait long for another one's last batch, and those of 4 are as fast, in less memory.
 */
export function defaultBatch({
  candidates,
  device = "cpu",
  threads,
}: Pick<SearchOptions, "candidates" | "device" | "threads">): number {
  if (device !== "cpu") return DEFAULT_BATCH;
  let largest = 1;
  let flops = 1;
  for (const candidate of candidates) {
    largest = Math.max(largest, largestResult(candidate));
    flops = Math.max(flops, flopsOf(candidate));
  }
  const fitting = powerOfTwo(WORKSPACE_BYTES / (threads * largest));
  const quick = powerOfTwo(BATCH_FLOPS / flops);
  return Math.max(LEAST_BATCH, Math.min(DEFAULT_BATCH, fitting, quick));
}

/** The largest that is not larger. */
const powerOfTwo = (value: number): number => 2 ** Math.floor(Math.log2(value));
