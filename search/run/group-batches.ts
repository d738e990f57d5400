import type { Batch } from "./batch.ts";

/** An item's largest value, in bytes, up to which batches are put together: such values stay in a core's cache. */
const MOST_VALUE_BYTES = 32 * 1024;
/** Rows that go through a graph together then. */
const MOST_ROWS = 128;

/**
 * Puts batches together that a segment takes at a time. Where values are small, as behind the last stages of a network, a
 * batch's own work is little beside what each run costs: weights that are read from memory, or transformed, once more. Each
 * lane gets as much, of batches that lie side by side.
 * @param valueBytes of an item, the largest that the segment takes or makes
 * @returns indices of batches, each once, in their order
 */
export function groupBatches(batches: readonly Batch[], valueBytes: number, lanes: number): readonly number[][] {
  const alone = batches.map((_batch, index) => [index]);
  // texts of different lengths don't go together
  if (valueBytes > MOST_VALUE_BYTES || batches.some(({ length }) => length !== null)) return alone;
  const rows = batches.reduce((sum, batch) => sum + batch.rows, 0);
  const count = lanes * Math.ceil(rows / (lanes * MOST_ROWS));
  if (count >= batches.length) return alone;
  const at = (group: number): number => Math.floor((batches.length * group) / count);
  return Array.from({ length: count }, (_, group) => alone.slice(at(group), at(group + 1)).flat());
}
