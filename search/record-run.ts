import { InputError } from "../crawler/errors.ts";
import { openCatalogWriter } from "../indexer/catalog/catalog-writer.ts";
import type { RunStatus } from "../indexer/catalog/records.ts";
import type { SearchResult } from "./search-result.ts";

export interface FinishedRun extends SearchResult {
  readonly run: string;
  readonly startedAt: string;
  readonly family: string | null;
  readonly strategy: string;
  readonly proxy: string;
  readonly seed: number;
  readonly device: string;
  readonly models: number;
  readonly dataSet: string;
  readonly status: RunStatus;
  readonly args: Readonly<Record<string, unknown>>;
}

/**
 * Writes what a search found into the catalog. A crawl may hold the catalog at the time; the search is not lost then:
 * its file in `<home>/runs` stays.
 */
export async function recordRun(home: string, run: FinishedRun, log: (text: string) => void): Promise<void> {
  let writer;
  try {
    writer = await openCatalogWriter(home);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    log(`the run is not in the catalog (${cause.message}); it is in runs/${run.run}.json`);
    return;
  }
  try {
    await writer.putRun({
      runId: run.run,
      startedAt: run.startedAt,
      finishedAt: new Date().toISOString(),
      family: run.family,
      strategy: run.strategy,
      proxy: run.proxy,
      seed: run.seed,
      device: run.device,
      dataSet: run.dataSet,
      itemsTrain: run.items.train,
      itemsTest: run.items.test,
      models: run.models,
      status: run.status,
      args: JSON.stringify(run.args),
      cost: JSON.stringify(run.cost),
      rounds: run.rounds,
      scores: run.ranking.map(({ model, revision, round, items, score, rank, tied }) => ({
        modelId: model,
        revision,
        round,
        items,
        score,
        rank,
        tied,
      })),
    });
    await writer.publish();
  } finally {
    await writer.close();
  }
}
