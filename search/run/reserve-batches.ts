import type { LaneResult, Values } from "./lane-results.ts";

/** The values of a batch, of one result after the other. */
export type Take = (batch: number) => readonly Values[];

/**
 * Reserves batches of some results, one after the other, for some work, and gives them back. All who reserve several do so in
 * the order of the batches, so that none waits for one who waits for it.
 * @param work may take the values of each batch, once
 */
export async function reserveBatches(
  batches: readonly number[],
  results: readonly LaneResult[],
  work: (take: Take) => Promise<void> | void,
): Promise<void> {
  const reserved: { readonly batch: number; readonly result: LaneResult; values: Values | null }[] = [];
  try {
    for (const batch of batches) {
      for (const result of results) {
        await result.reserve(batch);
        reserved.push({ batch, result, values: null });
      }
    }
    await work((batch) =>
      reserved.filter((held) => held.batch === batch).map((held) => (held.values = held.result.take(batch))),
    );
  } finally {
    for (const { batch, result, values } of reserved) result.give(batch, values);
  }
}
