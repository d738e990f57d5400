import { rangeLength, type ItemRange } from "./step.ts";

/** How much goes through a tree at a time. Texts differ in length, so their bytes follow from tokens, not from items. */
export interface Extent {
  readonly items: number;
  /** Tokens of all items, each batch padded to its longest; 0 where items are pictures. */
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

/** Items of one size, such as pictures. */
export const measureItems: Measure = (_root, range) => ({ items: rangeLength(range), tokens: 0 });
