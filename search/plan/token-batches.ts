import { batchRows, type BatchRule, type Measure } from "./extent.ts";
import type { ItemRange } from "./step.ts";

/** Items that go through a graph together, padded to the longest of them. */
export interface TokenBatch {
  /** Places of the items in the search's order. */
  readonly items: readonly number[];
  /** Items, and rows that fill up a batch of fixed size. */
  readonly rows: number;
  /** Tokens of a row. */
  readonly length: number;
}

/** On devices, which prepare themselves for each shape anew, rows are of so many tokens or a multiple. */
const LENGTH_STEP = 16;

/**
 * Puts items of like length together, so that padding costs little; which items share a batch changes no result.
 * @param lengths tokens of each item of the search
 */
export function tokenBatches(lengths: Int32Array, { begin, end }: ItemRange, rule: BatchRule): TokenBatch[] {
  const sorted = Array.from({ length: end - begin }, (_, index) => begin + index).sort(
    (a, b) => (lengths[b] ?? 0) - (lengths[a] ?? 0) || a - b,
  );
  // no text is longer than the model can read, so neither is a row
  const longest = rule.isFixed ? lengths.reduce((most, length) => Math.max(most, length), 0) : 0;
  let first = 0;
  return batchRows(end - begin, rule).map((rows) => {
    const items = sorted.slice(first, first + rows);
    first += rows;
    const length = lengths[items[0] ?? -1] ?? 0;
    const padded = Math.min(longest, LENGTH_STEP * Math.ceil(length / LENGTH_STEP));
    return { items, rows, length: rule.isFixed ? padded : length };
  });
}

/** How much the items of a range are, padding included, where items are texts of these lengths. */
export const measureTokens =
  (lengths: Int32Array, rule: BatchRule): Measure =>
  (_root, range) => {
    const batches = tokenBatches(lengths, range, rule);
    return {
      items: batches.reduce((sum, { rows }) => sum + rows, 0),
      tokens: batches.reduce((sum, { rows, length }) => sum + rows * length, 0),
    };
  };
