import type { Measure } from "./extent.ts";
import type { ItemRange } from "./step.ts";

/** Items that go through a graph together, padded to the longest of them. */
export interface TokenBatch {
  /** Places of the items in the search's order. */
  readonly items: readonly number[];
  /** Tokens of the longest item. */
  readonly length: number;
}

/**
 * Puts items of like length together, so that padding costs little; which items share a batch changes no result.
 * @param lengths tokens of each item of the search
 * @param size most items of a batch
 */
export function tokenBatches(lengths: Int32Array, { begin, end }: ItemRange, size: number): TokenBatch[] {
  const sorted = Array.from({ length: end - begin }, (_, index) => begin + index).sort(
    (a, b) => (lengths[b] ?? 0) - (lengths[a] ?? 0) || a - b,
  );
  const batches: TokenBatch[] = [];
  for (let first = 0; first < sorted.length; first += size) {
    const items = sorted.slice(first, first + size);
    batches.push({ items, length: lengths[items[0] ?? -1] ?? 0 });
  }
  return batches;
}

/** How much the items of a range are, padding included, where items are texts of these lengths. */
export const measureTokens =
  (lengths: Int32Array, size: number): Measure =>
  (_root, range) => ({
    items: range.end - range.begin,
    tokens: tokenBatches(lengths, range, size).reduce((sum, { items, length }) => sum + items.length * length, 0),
  });
