import type { DataSet } from "./data/data-set.ts";
import { fingerprintOf, hashItems } from "./data/fingerprint-items.ts";
import type { SearchCandidate } from "./build-candidate.ts";
import { measureItems, type Measure } from "./plan/extent.ts";
import type { ItemRange } from "./plan/step.ts";
import { measureTokens } from "./plan/token-batches.ts";
import { prepareInputs } from "./prepare-inputs.ts";
import type { RootInputs } from "./run/root-inputs.ts";
import type { WorkerSetup } from "./run/search-worker.ts";
import { shuffledIndices } from "./shuffle.ts";

export interface PrepareSearchOptions {
  readonly home: string;
  readonly candidates: readonly SearchCandidate[];
  readonly dataSet: DataSet;
  readonly seed: number;
  readonly proxy: string;
  readonly batchSize: number;
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  readonly onPrepared?: (done: number, total: number) => void;
}

/** How much items are below each root: texts by their tokens, pictures by their number. */
export const measureOf =
  (roots: ReadonlyMap<string, RootInputs>, batchSize: number): Measure =>
  (root, range) => {
    const inputs = roots.get(root);
    return inputs?.kind === "tokens"
      ? measureTokens(inputs.lengths, batchSize)(root, range)
      : measureItems(root, range);
  };

/** The test set's place among the items of a search: behind the training items. */
export const testRange = ({ train, test }: DataSet): ItemRange => ({
  begin: train.length,
  end: train.length + test.length,
});

/**
 * Prepares all items, once for each preprocessing, and puts them into the order of the search: the training items
 * shuffled by the seed, then the test set.
 */
export async function prepareSearch(options: PrepareSearchOptions): Promise<Omit<WorkerSetup, "interrupt">> {
  const { home, candidates, dataSet, seed, proxy, batchSize, threads, signal, onPrepared } = options;
  const all = [...dataSet.train, ...dataSet.test];
  const order = shuffledIndices(dataSet.train.length, seed);
  const rows = Int32Array.from([...order, ...dataSet.test.map((_, index) => dataSet.train.length + index)]);
  const hashes = await hashItems(all, { signal });
  const roots = await prepareInputs({
    home,
    dataSet,
    fingerprint: fingerprintOf(hashes),
    rows,
    candidates,
    threads,
    signal,
    ...(onPrepared && { onProgress: onPrepared }),
  });
  return {
    home,
    roots,
    proxy,
    classes: dataSet.classes.length,
    labels: Int32Array.from(rows, (row) => all[row]?.label ?? 0),
    itemHashes: Array.from(rows, (row) => hashes[row] ?? ""),
    rows,
    batchSize,
    threads,
  };
}
