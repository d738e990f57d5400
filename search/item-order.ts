import type { DataSet } from "./data/data-set.ts";
import type { RoundPlan } from "./halving.ts";
import type { ItemRange } from "./plan/step.ts";
import { shuffledIndices } from "./shuffle.ts";

/** The order of the items of a search: places, and what lies in them. */
export interface ItemOrder {
  /** The row of each place in the data set's own order: training items, then test items. */
  readonly rows: Int32Array;
  /** For each round, the places of the training items that it adds. */
  readonly train: readonly ItemRange[];
  readonly test: ItemRange;
}

/**
 * Puts items into the order of a search: the training items of the first round, the test set, then those of the other
 * rounds. What the first round needs lies together, so that it goes through the trees as one.
 * @param seed training items are shuffled by it
 */
export function orderItems(dataSet: DataSet, rounds: readonly RoundPlan[], seed: number): ItemOrder {
  const [train, test] = [dataSet.train.length, dataSet.test.length];
  const shuffled = shuffledIndices(train, seed);
  const first = rounds[0]?.end ?? 0;
  const tests = Array.from({ length: test }, (_, index) => train + index);
  return {
    rows: Int32Array.from([...shuffled.slice(0, first), ...tests, ...shuffled.slice(first)]),
    train: rounds.map(({ round, begin, end }) =>
      round === 1 ? { begin, end } : { begin: test + begin, end: test + end },
    ),
    test: { begin: first, end: first + test },
  };
}
