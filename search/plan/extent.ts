import { rangeLength, type ItemRange } from "./step.ts";

/** How much goes through a tree at a time. Texts differ in length, so their bytes follow from tokens, not from items. */
export interface Extent {
  /** Rows of all batches: items, and those that fill up the last batch where batches are of one size. */
  readonly items: number;
  /** Tokens of all rows, each batch padded to its longest; 0 where items are pictures. */
  readonly tokens: number;
}

/** Bytes of a result: so many an item, so many a token. */
export interface ByteRate {
  readonly perItem: number;
  readonly perToken: number;
}

export const bytesOf = ({ perItem, perToken }: ByteRate, { items, tokens }: Extent): number =>
  perItem * items + perToken * tokens;

/** How much the items of a range are, below a root of the task forest. */
export type Measure = (root: string, range: ItemRange) => Extent;

/** How items are put into batches. */
export interface BatchRule {
  /** Most items that go through a graph together. */
  readonly size: number;
  /** Whether all batches of a range have as many rows: devices prepare themselves for each shape anew. */
  readonly isFixed: boolean;
  /** Batches that run at a time; where there are several, items are spread evenly over them. Default: 1. */
  readonly lanes?: number;
}

/** Rows of each batch of a range; none has more than the range has items. */
export function batchRows(items: number, { size, isFixed, lanes = 1 }: BatchRule): number[] {
  const least = Math.ceil(items / size);
  const most = Math.min(size, items);
  if (isFixed) return new Array<number>(least).fill(most);
  if (lanes === 1) return Array.from({ length: least }, (_, index) => Math.min(most, items - index * most));
  const count = Math.min(items, lanes * Math.ceil(least / lanes));
  return Array.from(
    { length: count },
    (_, index) => Math.floor((items * (index + 1)) / count) - Math.floor((items * index) / count),
  );
}

/** Items of one size, such as pictures. */
export const measurePictures =
  (rule: BatchRule): Measure =>
  (_root, range) => ({
    items: batchRows(rangeLength(range), rule).reduce((sum, rows) => sum + rows, 0),
    tokens: 0,
  });

/** Items of one size, none more. */
export const measureItems: Measure = (_root, range) => ({ items: rangeLength(range), tokens: 0 });
