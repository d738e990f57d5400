import type { ImageDataSet, ImageItem } from "./data-set.ts";
import { BadItemsError, type BadItem } from "./bad-items.ts";
import { preprocessItems } from "./preprocess-pool.ts";

interface Options {
  readonly signal?: AbortSignal | undefined;
  readonly threads?: number | undefined;
}

/** Decodes every picture and returns those that cannot be. */
export async function checkItems(items: readonly ImageItem[], { signal, threads }: Options = {}): Promise<BadItem[]> {
  const bad: BadItem[] = [];
  for await (const outcomes of preprocessItems({ items, preprocessing: undefined, signal, threads })) {
    for (const outcome of outcomes) {
      if ("reason" in outcome) bad.push({ id: items[outcome.index]?.id ?? "", reason: outcome.reason });
    }
  }
  return bad;
}

/**
 * The data set without its unreadable pictures, which its notes list.
 * @throws BadItemsError when a class has no picture to learn from, or none is left to test on
 */
export async function skipBadItems(dataSet: ImageDataSet, options: Options = {}): Promise<ImageDataSet> {
  const all = [...dataSet.train, ...dataSet.test];
  const bad = await checkItems(all, options);
  if (bad.length === 0) return dataSet;
  const ids = new Set(bad.map(({ id }) => id));
  const good = (items: readonly ImageItem[]) => items.filter(({ id }) => !ids.has(id));
  const train = good(dataSet.train);
  const test = good(dataSet.test);
  const learnt = new Set(train.map(({ label }) => label));
  if (learnt.size < dataSet.classes.length || test.length === 0) throw new BadItemsError(bad, all.length);
  const notes = bad.map(({ id, reason }) => `skipped ${id}: ${reason}`);
  return { ...dataSet, train, test, notes: [...dataSet.notes, ...notes] };
}
