import { NEW_LISTING, type ListingState } from "../../crawler/listing-state.ts";
import { findBusyScopes, type AskedScope } from "./busy-scopes.ts";
import { carryOver, type CarryOver } from "./carry-over.ts";
import { closeKilledCrawls, lastSuccess, putCrawl, readLatestCrawl } from "./crawls.ts";
import {
  countFrontier,
  dropFrontier,
  freeFrontier,
  revisitFrontier,
  takeFrontier,
  type RevisitQuery,
} from "./frontier.ts";
import { noteGarbage } from "./garbage.ts";
import { findFile, findTermFiles, slotHashes, type KnownFile } from "./known-files.ts";
import { knownModels, type KnownModel, type KnownModelsQuery } from "./known-models.ts";
import { listBlocks } from "./list-blocks.ts";
import { listUnseen } from "./list-unseen.ts";
import { readListings, type ListingName } from "./listings.ts";
import { openWorkFile } from "./open-work-file.ts";
import { publishSnapshot } from "./publish-snapshot.ts";
import { putModels, settleFrontier } from "./put-models.ts";
import { putRun } from "./put-run.ts";
import { readBackboneShape } from "./read-backbone-shape.ts";
import { readIndexedChains, type IndexedChain } from "./read-indexed-chains.ts";
import { readFiles } from "./read-model.ts";
import type {
  CrawlRecord,
  FileRecord,
  FrontierModel,
  IndexedModelWithDetails,
  ListedPage,
  ModelTouch,
  RunRecord,
} from "./records.ts";
import { pruneBlocks, removeModels } from "./remove-models.ts";
import { setStatus, type StatusChange } from "./set-status.ts";
import { settleFamilies } from "./settle-families.ts";
import { takePages } from "./take-pages.ts";
import { touchModels } from "./touch-models.ts";
import { WritingQueue } from "./writing-queue.ts";

/**
 * Opens the catalog of a home for writing. Changes are durable when their promise resolves, and others see them after
 * `publish`. There is one writer a home at a time.
 * @param now the clock, for `crawled_at`
 * @throws InputError when another writer has it, or a newer version of the program made it
 */
export async function openCatalogWriter(home: string, now: () => Date = () => new Date()): Promise<CatalogWriter> {
  return new CatalogWriter(home, new WritingQueue(await openWorkFile(home), false), now);
}

/** The same for a dry run: all changes are visible to the writer itself, and undone when it is closed. */
export async function openForgetfulWriter(home: string, now: () => Date = () => new Date()): Promise<CatalogWriter> {
  const file = await openWorkFile(home);
  await file.connection.run("BEGIN TRANSACTION");
  return new CatalogWriter(home, new WritingQueue(file, true), now);
}

/**
 * The one writer of a catalog. Calls may overlap: they run one after the other, each in a transaction of its own, so a
 * call that fails, or a process that dies, leaves the catalog as it was before the call.
 */
export class CatalogWriter {
  readonly #home: string;
  readonly #work: WritingQueue;
  readonly #now: () => Date;

  constructor(home: string, work: WritingQueue, now: () => Date) {
    this.#home = home;
    this.#work = work;
    this.#now = now;
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
    return this.#work.change(async (connection) => {
      await putModels(connection, models, this.#time());
      await settleFrontier(
        connection,
        models.map(({ model }) => ({ id: model.modelId, revision: model.revision })),
      );
    });
  }

  /** Notes what became of a model that the catalog knows; at the revision of the change it leaves the frontier. */
  setStatus(modelId: string, change: StatusChange): Promise<void> {
    return this.#work.change(async (connection) => {
      await setStatus(connection, modelId, change, this.#time());
      if (change.revision !== undefined) {
        await settleFrontier(connection, [{ id: modelId, revision: change.revision }]);
      }
    });
  }

  /** Moves a model's rows to a new revision with the same weights. */
  carryOver(change: CarryOver): Promise<void> {
    return this.#work.change(async (connection) => {
      await carryOver(connection, change, this.#time());
      await settleFrontier(connection, [change.listed]);
    });
  }

  /** What kind of model the catalog holds the chain of, and the graphs of its blocks; undefined when it holds none. */
  backboneShape(modelId: string): ReturnType<typeof readBackboneShape> {
    return this.#work.read((connection) => readBackboneShape(connection, modelId));
  }

  files(modelId: string): Promise<FileRecord[]> {
    return this.#work.read((connection) => readFiles(connection, modelId));
  }

  /** Keeps what pages of listings told, each of another one, and where the crawl stands in the listings, in one step. */
  takePages(pages: readonly ListedPage[]): Promise<void> {
    return this.#work.change((connection) => takePages(connection, pages, this.#time()));
  }

  /** Where the crawls of this home stand in listings of a hub, by the listings' keys. */
  listings(hub: string, listings: readonly string[]): Promise<Map<string, ListingState>> {
    return this.#work.read((connection) => readListings(connection, hub, listings));
  }

  async listing({ hub, listing }: ListingName): Promise<ListingState> {
    return (await this.listings(hub, [listing])).get(listing) ?? NEW_LISTING;
  }

  /** The families of which there is something to read, to let in from the frontier or to look for. */
  busyScopes(asked: readonly AskedScope[]): Promise<Set<string>> {
    return this.#work.read((connection) => findBusyScopes(connection, asked));
  }

  revisit(query: RevisitQuery): Promise<void> {
    return this.#work.change((connection) => revisitFrontier(connection, query));
  }

  takeFrontier(query: Parameters<typeof takeFrontier>[1]): Promise<FrontierModel[]> {
    return this.#work.change((connection) => takeFrontier(connection, query));
  }

  freeFrontier(family: string): Promise<number> {
    return this.#work.change((connection) => freeFrontier(connection, family));
  }

  dropFrontier(scope: string, modelIds: readonly string[]): Promise<void> {
    const models = modelIds.map((modelId) => ({ scope, modelId }));
    return this.#work.change((connection) => dropFrontier(connection, models));
  }

  settleFamilies(): Promise<void> {
    return this.#work.change((connection) => settleFamilies(connection));
  }

  countFrontier(scope: string): Promise<number> {
    return this.#work.read((connection) => countFrontier(connection, scope));
  }

  listUnseen(query: Parameters<typeof listUnseen>[1]): Promise<string[]> {
    return this.#work.read((connection) => listUnseen(connection, query));
  }

  /** Begins a crawl's line in the log; crawls that were killed are noted. */
  beginCrawl(crawl: CrawlRecord): Promise<void> {
    return this.#work.change(async (connection) => {
      await closeKilledCrawls(connection);
      await putCrawl(connection, crawl);
    });
  }

  putCrawl(crawl: CrawlRecord): Promise<void> {
    return this.#work.change((connection) => putCrawl(connection, crawl));
  }

  /** The line of the latest crawl in the log. */
  latestCrawl(): Promise<CrawlRecord | undefined> {
    return this.#work.read((connection) => readLatestCrawl(connection));
  }

  lastSuccess(): Promise<string | null> {
    return this.#work.read((connection) => lastSuccess(connection));
  }

  touchModels(rows: readonly ModelTouch[]): Promise<void> {
    return this.#work.change((connection) => touchModels(connection, rows, this.#time()));
  }

  /** What the catalog holds of the models that are asked for, by model id. */
  knownModels(query: KnownModelsQuery): Promise<Map<string, KnownModel>> {
    return this.#work.read((connection) => knownModels(connection, query));
  }

  /** A file of the same hash, of an indexed model. */
  findFile(hashes: Parameters<typeof findFile>[1]): Promise<KnownFile | null> {
    return this.#work.read((connection) => findFile(connection, hashes));
  }

  /** Files of indexed models that are made of some of these xorbs, the best known first. */
  findTermFiles(xorbs: readonly string[]): ReturnType<typeof findTermFiles> {
    return this.#work.read((connection) => findTermFiles(connection, xorbs));
  }

  /** The hashes of what fills blocks' slots, by block id, in slot order. */
  slotHashes(blockIds: readonly string[]): Promise<Map<string, string[]>> {
    return this.#work.read((connection) => slotHashes(connection, blockIds));
  }

  /** Replaces all rows of the run. */
  putRun(run: RunRecord): Promise<void> {
    return this.#work.change((connection) => putRun(connection, run));
  }

  removeModels(modelIds: readonly string[]): Promise<void> {
    return this.#work.change((connection) => removeModels(connection, modelIds));
  }

  /** Forgets blocks that no model holds; returns their ids, so that the store can drop them. */
  pruneBlocks(): Promise<string[]> {
    return this.#work.change((connection) => pruneBlocks(connection));
  }

  /** Models and their chains as they are now, published or not; of a family (full id of its base), or all. */
  indexedChains(family: string | undefined): Promise<IndexedChain[]> {
    return this.#work.read((connection) => readIndexedChains(connection, family));
  }

  /** All blocks that the catalog knows, those of models that are gone included. */
  blocks(): ReturnType<typeof listBlocks> {
    return this.#work.read((connection) => listBlocks(connection));
  }

  /**
   * Notes which stored blocks no model needs, and since when no published catalog has named them.
   * @returns by block id, the ISO time
   */
  noteGarbage(blockIds: readonly string[]): Promise<Map<string, string>> {
    return this.#work.change((connection) => noteGarbage(connection, blockIds, this.#time()));
  }

  /** Shows readers all changes so far, in one step. */
  publish(): Promise<void> {
    return this.#work.read(async (connection) => {
      if (!this.#work.forgets) await publishSnapshot(connection, this.#home);
    });
  }

  /** Waits for the calls under way, then gives the catalog free. */
  close(): Promise<void> {
    return this.#work.close();
  }

  #time(): string {
    return this.#now().toISOString();
  }
}
