import { rm } from "node:fs/promises";
import { join } from "node:path";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import { defaultBatch } from "../../search/default-batch.ts";
import type { SearchOptions } from "../../search/search-options.ts";
import type { SearchResult } from "../../search/search-result.ts";
import { search } from "../../search/search.ts";
import { makeItems, type BenchCase } from "./bench-search.ts";
import { expectSame } from "./expect-same.ts";
import { makeSnapshots } from "./make-snapshots.ts";
import { median } from "./median.ts";

/** How a search goes by its batch, threads and what it loads ahead: fixed; measured by itself; or as measured before. */
export const VARIANTS = ["defaults", "measured", "remembered"] as const;
export type Variant = (typeof VARIANTS)[number];

export interface TuningFigures {
  readonly variant: Variant;
  /** Medians, in seconds. */
  readonly total: number;
  readonly load: number;
  readonly inference: number;
  /** Totals over that of the defaults in the same turn; the median. */
  readonly ratio: number;
  /** Totals of all turns, in their order. */
  readonly totals: readonly number[];
  /** What each turn went by. */
  readonly tuned: readonly Pick<SearchResult["tuned"], "batchSize" | "threads" | "loadAhead" | "speeds">[];
}

export type TuningCase = Omit<BenchCase, "strategies" | "batchSize">;

/** Measures whatever the search's length: it is the measuring that is measured. */
const ALWAYS = { leastSeconds: 0, share: 100 };

/**
 * Searches the same candidates with fixed settings and with measured ones. Each turn goes through all variants.
 * @throws Error when two searches disagree about a score by more than rounding may turn
 */
export async function benchTuning(bench: TuningCase): Promise<TuningFigures[]> {
  const { home, log, threads, proxy, seed, signal, budgetBytes, device, deviceBudgetBytes, precision } = bench;
  const store = openBlockStore(home);
  const { dataSet, preprocessing } = await makeItems(bench);
  const { candidates } = await makeSnapshots({ ...bench, store, preprocessing });
  const options: SearchOptions = {
    ...{ home, store, candidates, dataSet, strategy: "alsatian", proxy, seed, budgetBytes, threads, signal },
    ...{ top: 1, rounds: undefined, imageSize: undefined, device, deviceBudgetBytes, precision },
  };
  const run = async (variant: Variant): Promise<SearchResult> => {
    const empty = ["inputs", "features", "graphs", "weights", ...(variant === "measured" ? ["tuning"] : [])];
    for (const name of empty) await rm(join(home, "cache", name), { recursive: true, force: true });
    return search({
      ...options,
      ...(variant === "defaults" ? { batchSize: defaultBatch(options) } : { tuning: ALWAYS }),
    });
  };
  const first = await run("measured"); // for the others to remember, and to warm up
  const runs: { readonly variant: Variant; readonly turn: number; readonly result: SearchResult }[] = [];
  for (let turn = 0; turn < bench.runs; turn++) {
    const begin = turn % VARIANTS.length; // a machine that gets slower is slower for all, and each comes behind each
    const rotated = [...VARIANTS.slice(begin), ...VARIANTS.slice(0, begin)];
    for (const variant of turn % 2 === 0 ? rotated : rotated.toReversed()) {
      const result = await run(variant);
      expectSame(first, result, dataSet.test.length);
      runs.push({ variant, turn, result });
      log(`  run ${turn + 1} ${variant}: ${result.seconds.total.toFixed(2)} s`);
    }
  }
  const usual = runs.filter(({ variant }) => variant === "defaults").map(({ result }) => result.seconds.total);
  return VARIANTS.map((variant) => {
    const own = runs.filter((one) => one.variant === variant);
    const of = (figure: (result: SearchResult) => number): number => median(own.map(({ result }) => figure(result)));
    return {
      variant,
      total: of(({ seconds }) => seconds.total),
      load: of(({ seconds }) => seconds.load),
      inference: of(({ seconds }) => seconds.inference),
      ratio: median(own.map(({ turn, result }) => result.seconds.total / (usual[turn] ?? NaN))),
      totals: own.map(({ result }) => result.seconds.total),
      tuned: own.map(({ result: { tuned } }) => {
        const { batchSize, threads: used, loadAhead, speeds } = tuned;
        return { batchSize, threads: used, loadAhead, speeds };
      }),
    };
  });
}
