import type { Batch } from "./batch.ts";

/** An item's largest value, in bytes, up to which values are small: many of them stay in a core's cache. */
const MOST_VALUE_BYTES = 32 * 1024;
/** Rows of small values that go through a graph together. */
const MOST_ROWS = 256;

/** @param valueBytes of an item, the largest; texts of different lengths don't go together */
export const areSmall = (batches: readonly Batch[], valueBytes: number): boolean =>
  valueBytes <= MOST_VALUE_BYTES && batches.every(({ length }) => length === null);

/**
 * Puts batches together that a segment takes at a time. Where values are small, as behind the last stages of a network, a
 * batch's own work is little beside what each run costs: weights that are read from memory, or transformed, once more.
 * @param valueBytes of an item, the largest that the segment takes or makes
 * @param parts that the batches are to be dealt to, as many to each, of batches that lie side by side
 * @returns indices of batches, each once, in their order
 */
export function groupBatches(batches: readonly Batch[], valueBytes: number, parts: number): readonly number[][] {
  const alone = batches.map((_batch, index) => [index]);
  if (!areSmall(batches, valueBytes)) return alone;
  const rows = batches.reduce((sum, batch) => sum + batch.rows, 0);
  const count = parts * Math.ceil(rows / (parts * MOST_ROWS));
  if (count >= batches.length) return alone;
  const at = (group: number): number => Math.floor((batches.length * group) / count);
  return Array.from({ length: count }, (_, group) => alone.slice(at(group), at(group + 1)).flat());
}
