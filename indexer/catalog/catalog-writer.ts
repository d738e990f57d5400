import type { ListingState } from "../../crawler/listing-state.ts";
import { carryOver, type CarryOver } from "./carry-over.ts";
import { closeKilledCrawls, lastSuccess, putCrawl, readLatestCrawl } from "./crawls.ts";
import {
  countFrontier,
  dropFrontier,
  freeFrontier,
  putFrontier,
  revisitFrontier,
  takeFrontier,
  type RevisitQuery,
} from "./frontier.ts";
import { noteGarbage } from "./garbage.ts";
import { findFile, findTermFiles, slotHashes, type KnownFile } from "./known-files.ts";
import { knownModels, type KnownModel, type KnownModelsQuery } from "./known-models.ts";
import { listModels } from "./list-models.ts";
import { listUnseen } from "./list-unseen.ts";
import { putListing, readListing, type ListingName } from "./listings.ts";
import { openWorkFile, type WorkFile } from "./open-work-file.ts";
import { publishSnapshot } from "./publish-snapshot.ts";
import { putModels, settleFrontier } from "./put-models.ts";
import { putRun } from "./put-run.ts";
import { readChains } from "./read-chains.ts";
import { readFiles } from "./read-model.ts";
import { readRows } from "./read-rows.ts";
import type {
  CatalogModel,
  ChainBlock,
  CrawlRecord,
  FileRecord,
  FrontierModel,
  IndexedModelWithDetails,
  ModelTouch,
  RunRecord,
} from "./records.ts";
import { pruneBlocks, removeModels } from "./remove-models.ts";
import { setStatus, type StatusChange } from "./set-status.ts";
import { settleFamilies } from "./settle-families.ts";
import { touchModels } from "./touch-models.ts";

/**
 * Opens the catalog of a home for writing. Changes are durable when their promise resolves, and others see them after
 * `publish`. There is one writer a home at a time.
 * @param now the clock, for `crawled_at`
 * @throws InputError when another writer has it, or a newer version of the program made it
 */
export async function openCatalogWriter(home: string, now: () => Date = () => new Date()): Promise<CatalogWriter> {
  return new CatalogWriter(home, await openWorkFile(home), now, false);
}

/** The same for a dry run: all changes are visible to the writer itself, and undone when it is closed. */
export async function openForgetfulWriter(home: string, now: () => Date = () => new Date()): Promise<CatalogWriter> {
  const file = await openWorkFile(home);
  await file.connection.run("BEGIN TRANSACTION");
  return new CatalogWriter(home, file, now, true);
}

/** An indexed model and its chain. */
export interface IndexedChain {
  readonly model: CatalogModel;
  readonly chain: readonly ChainBlock[];
}

/** What a page of a listing told. */
export interface ListedPage {
  /** Full id of a family's base, or `*` for all models. */
  readonly scope: string;
  /** Models whose revision the catalog has. */
  readonly touched: readonly ModelTouch[];
  /** Models that are new or changed. */
  readonly changed: readonly FrontierModel[];
  readonly name: ListingName;
  readonly state: ListingState;
}

/**
 * The one writer of a catalog. Calls may overlap: they run one after the other, each in a transaction of its own, so a
 * call that fails, or a process that dies, leaves the catalog as it was before the call.
 */
export class CatalogWriter {
  readonly #home: string;
  readonly #file: WorkFile;
  readonly #now: () => Date;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;
  readonly #forgets: boolean;

  constructor(home: string, file: WorkFile, now: () => Date, forgets: boolean) {
    this.#home = home;
    this.#file = file;
    this.#now = now;
    this.#forgets = forgets;
  }

  /** The clock of `crawled_at`. */
  now(): Date {
    return this.#now();
  }

  /** Replaces all rows of the model; it is no longer in the frontier then. */
  putModel(indexed: IndexedModelWithDetails): Promise<void> {
    return this.putModels([indexed]);
  }

  /** The same for many models, each id once, in one step. */
  putModels(models: readonly IndexedModelWithDetails[]): Promise<void> {
    return this.#change(async (connection) => {
      await putModels(connection, models, this.#time());
      await settleFrontier(
        connection,
        models.map(({ model }) => ({ id: model.modelId, revision: model.revision })),
      );
    });
  }

  /** Notes what became of a model that the catalog knows; at the revision of the change it leaves the frontier. */
  setStatus(modelId: string, change: StatusChange): Promise<void> {
    return this.#change(async (connection) => {
      await setStatus(connection, modelId, change, this.#time());
      if (change.revision !== undefined) {
        await settleFrontier(connection, [{ id: modelId, revision: change.revision }]);
      }
    });
  }

  /** Moves a model's rows to a new revision with the same weights. */
  carryOver(change: CarryOver): Promise<void> {
    return this.#change(async (connection) => {
      await carryOver(connection, change, this.#time());
      await settleFrontier(connection, [change.listed]);
    });
  }

  /** What kind of model the catalog holds the chain of, and the graphs of its blocks; undefined when it holds none. */
  async backboneShape(modelId: string): Promise<{ modelType: string | null; graphs: string[] } | undefined> {
    return this.#queue(async () => {
      const { connection } = this.#file;
      const chain = (await readChains(connection, [modelId])).get(modelId);
      const [model] = await readRows(connection, "SELECT model_type FROM models WHERE model_id = $modelId", {
        modelId,
      });
      if (!chain || !model) return undefined;
      return { modelType: model.maybeText("model_type"), graphs: chain.map(({ graphHash }) => graphHash) };
    });
  }

  files(modelId: string): Promise<FileRecord[]> {
    return this.#queue(() => readFiles(this.#file.connection, modelId));
  }

  /** Keeps what a page of a listing told, and where the crawl stands in the listing, in one step. */
  takePage(page: ListedPage): Promise<void> {
    return this.#change(async (connection) => {
      await touchModels(connection, page.touched, this.#time());
      await dropFrontier(
        connection,
        page.scope,
        page.touched.map(({ modelId }) => modelId),
      );
      await putFrontier(connection, page.scope, page.changed);
      await putListing(connection, page.name, page.state);
    });
  }

  listing(name: ListingName): Promise<ListingState> {
    return this.#queue(() => readListing(this.#file.connection, name));
  }

  revisit(query: RevisitQuery): Promise<void> {
    return this.#change((connection) => revisitFrontier(connection, query));
  }

  takeFrontier(query: Parameters<typeof takeFrontier>[1]): Promise<FrontierModel[]> {
    return this.#change((connection) => takeFrontier(connection, query));
  }

  freeFrontier(family: string): Promise<number> {
    return this.#change((connection) => freeFrontier(connection, family));
  }

  dropFrontier(scope: string, modelIds: readonly string[]): Promise<void> {
    return this.#change((connection) => dropFrontier(connection, scope, modelIds));
  }

  settleFamilies(): Promise<void> {
    return this.#change((connection) => settleFamilies(connection));
  }

  countFrontier(scope: string): Promise<number> {
    return this.#queue(() => countFrontier(this.#file.connection, scope));
  }

  listUnseen(query: Parameters<typeof listUnseen>[1]): Promise<string[]> {
    return this.#queue(() => listUnseen(this.#file.connection, query));
  }

  /** Begins a crawl's line in the log; crawls that were killed are noted. */
  beginCrawl(crawl: CrawlRecord): Promise<void> {
    return this.#change(async (connection) => {
      await closeKilledCrawls(connection);
      await putCrawl(connection, crawl);
    });
  }

  putCrawl(crawl: CrawlRecord): Promise<void> {
    return this.#change((connection) => putCrawl(connection, crawl));
  }

  /** The line of the latest crawl in the log. */
  latestCrawl(): Promise<CrawlRecord | undefined> {
    return this.#queue(() => readLatestCrawl(this.#file.connection));
  }

  lastSuccess(): Promise<string | null> {
    return this.#queue(() => lastSuccess(this.#file.connection));
  }

  touchModels(rows: readonly ModelTouch[]): Promise<void> {
    return this.#change((connection) => touchModels(connection, rows, this.#time()));
  }

  /** What the catalog holds of the models that are asked for, by model id. */
  knownModels(query: KnownModelsQuery): Promise<Map<string, KnownModel>> {
    return this.#queue(() => knownModels(this.#file.connection, query));
  }

  /** A file of the same hash, of an indexed model. */
  findFile(hashes: Parameters<typeof findFile>[1]): Promise<KnownFile | null> {
    return this.#queue(() => findFile(this.#file.connection, hashes));
  }

  /** Files of indexed models that are made of some of these xorbs, the best known first. */
  findTermFiles(xorbs: readonly string[]): ReturnType<typeof findTermFiles> {
    return this.#queue(() => findTermFiles(this.#file.connection, xorbs));
  }

  /** The hashes of what fills blocks' slots, by block id, in slot order. */
  slotHashes(blockIds: readonly string[]): Promise<Map<string, string[]>> {
    return this.#queue(() => slotHashes(this.#file.connection, blockIds));
  }

  /** Replaces all rows of the run. */
  putRun(run: RunRecord): Promise<void> {
    return this.#change((connection) => putRun(connection, run));
  }

  removeModels(modelIds: readonly string[]): Promise<void> {
    return this.#change((connection) => removeModels(connection, modelIds));
  }

  /** Forgets blocks that no model holds; returns their ids, so that the store can drop them. */
  pruneBlocks(): Promise<string[]> {
    return this.#change((connection) => pruneBlocks(connection));
  }

  /** The ids of all blocks that the catalog knows. */
  blockIds(): Promise<Set<string>> {
    return this.#queue(async () => {
      const rows = await readRows(this.#file.connection, "SELECT block_id FROM blocks");
      return new Set(rows.map((row) => row.text("block_id")));
    });
  }

  /** Models and their chains as they are now, published or not; of a family (full id of its base), or all. */
  async indexedChains(family: string | undefined): Promise<IndexedChain[]> {
    return this.#queue(async () => {
      const { connection } = this.#file;
      const query = { status: "indexed", ...(family !== undefined && { families: [family] }) } as const;
      const models = await listModels(connection, query);
      const ids = models.map(({ modelId }) => modelId);
      const chains = await readChains(connection, ids);
      return models.map((model) => ({ model, chain: chains.get(model.modelId) ?? [] }));
    });
  }

  /** All blocks that the catalog knows, those of models that are gone included. */
  blocks(): Promise<{ blockId: string; graphHash: string }[]> {
    return this.#queue(async () => {
      const rows = await readRows(this.#file.connection, "SELECT block_id, graph_hash FROM blocks ORDER BY block_id");
      return rows.map((row) => ({ blockId: row.text("block_id"), graphHash: row.text("graph_hash") }));
    });
  }

  /**
   * Notes which stored blocks no model needs, and since when no published catalog has named them.
   * @returns by block id, the ISO time
   */
  noteGarbage(blockIds: readonly string[]): Promise<Map<string, string>> {
    return this.#change((connection) => noteGarbage(connection, blockIds, this.#time()));
  }

  /** Shows readers all changes so far, in one step. */
  publish(): Promise<void> {
    return this.#queue(async () => {
      if (!this.#forgets) await publishSnapshot(this.#file.connection, this.#home);
    });
  }

  /** Waits for the calls under way, then gives the catalog free. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#last;
    if (this.#forgets) await this.#file.connection.run("ROLLBACK").catch(() => undefined); // a failed one is undone
    this.#file.close();
  }

  #time(): string {
    return this.#now().toISOString();
  }

  #change<T>(act: (connection: WorkFile["connection"]) => Promise<T>): Promise<T> {
    return this.#queue(async () => {
      const { connection } = this.#file;
      if (this.#forgets) return act(connection);
      await connection.run("BEGIN TRANSACTION");
      try {
        const result = await act(connection);
        await connection.run("COMMIT");
        return result;
      } catch (cause) {
        await connection.run("ROLLBACK").catch(() => undefined); // a failed commit has rolled back already
        throw cause;
      }
    });
  }

  #queue<T>(act: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new Error("the catalog writer is closed"));
    const result = this.#last.then(act);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
