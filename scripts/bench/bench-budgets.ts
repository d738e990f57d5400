import { openBlockStore } from "../../indexer/store/block-store.ts";
import type { SearchResult } from "../../search/search-result.ts";
import { defaultBatch } from "../../search/default-batch.ts";
import { search } from "../../search/search.ts";
import { makeItems, type BenchCase } from "./bench-search.ts";
import { deleteEarlierCaches, putCacheAside } from "./earlier-caches.ts";
import { expectSame } from "./expect-same.ts";
import { makeSnapshots } from "./make-snapshots.ts";
import { median } from "./median.ts";

/** A search with a share of the memory that it takes when memory has no limit. */
export interface BudgetFigures {
  readonly share: number;
  readonly budgetBytes: number;
  /** Medians, in seconds. */
  readonly total: number;
  readonly load: number;
  readonly inference: number;
  /** Totals over that of the whole budget, of the same turn; the median. */
  readonly slower: number;
  readonly peakBytes: number;
  readonly residentBytes: number;
  readonly bytesLoaded: number;
}

export type BudgetCase = Omit<BenchCase, "strategies" | "budgetBytes" | OnDevice> & {
  readonly shares: readonly number[];
};

type OnDevice = "device" | "deviceBudgetBytes" | "precision";

/** Enough for everything. */
const NO_LIMIT = 1e12;

/**
 * Searches the same candidates with less and less memory. Each turn goes through all budgets.
 * @throws Error when two searches disagree about a score by more than rounding may turn
 */
export async function benchBudgets(bench: BudgetCase): Promise<BudgetFigures[]> {
  const { home, shares, log, threads, proxy, seed, signal } = bench;
  const store = openBlockStore(home);
  const { dataSet, preprocessing } = await makeItems(bench);
  const { candidates } = await makeSnapshots({ ...bench, store, preprocessing });
  const { batchSize = defaultBatch({ candidates, threads }) } = bench;
  const run = async (budgetBytes: number): Promise<SearchResult> => {
    await putCacheAside(home);
    return search({
      ...{
        home,
        store,
        candidates,
        dataSet,
        strategy: "alsatian",
        proxy,
        seed,
        budgetBytes,
        batchSize,
        threads,
        signal,
      },
      ...{ top: 1, rounds: undefined, imageSize: undefined },
    });
  };
  const whole = await run(NO_LIMIT);
  const turns: Map<number, SearchResult>[] = [];
  for (let turn = 0; turn < bench.runs; turn++) {
    const results = new Map<number, SearchResult>();
    for (const share of shares) {
      const result = await run(Math.ceil(whole.cost.peakBytes * share));
      expectSame(whole, result, dataSet.test.length);
      results.set(share, result);
      log(`  run ${turn + 1} at ${share}: ${result.seconds.total.toFixed(2)} s`);
    }
    turns.push(results);
  }
  await deleteEarlierCaches(home);
  return shares.map((share) => figuresOf(share, turns));
}

function figuresOf(share: number, turns: readonly ReadonlyMap<number, SearchResult>[]): BudgetFigures {
  const pairs = turns.flatMap((turn) => {
    const result = turn.get(share);
    const whole = turn.get(Math.max(...turn.keys()));
    return result && whole ? [{ result, whole }] : [];
  });
  const of = (figure: (result: SearchResult) => number): number => median(pairs.map(({ result }) => figure(result)));
  return {
    share,
    budgetBytes: of(({ cost }) => cost.budget),
    total: of(({ seconds }) => seconds.total),
    load: of(({ seconds }) => seconds.load),
    inference: of(({ seconds }) => seconds.inference),
    slower: median(pairs.map(({ result, whole }) => result.seconds.total / whole.seconds.total)),
    peakBytes: of(({ cost }) => cost.peakBytes),
    residentBytes: of(({ cost }) => cost.residentBytes),
    bytesLoaded: of(({ cost }) => cost.bytesLoaded),
  };
}
