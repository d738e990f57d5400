/** Items that go through a graph together. */
export interface Batch {
  /** Places of the items in the search's order. */
  readonly items: readonly number[];
  /** Rows of its tensors: the items, then those that fill up a batch of fixed size. */
  readonly rows: number;
  /** Tokens of each text, with padding; null for pictures. */
  readonly length: number | null;
}

/** @throws RangeError where there is none */
export function get<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError(`there is no batch ${index}, only ${list.length}`);
  return item;
}
