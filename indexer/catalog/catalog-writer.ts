import { findFile, findTermFiles, slotHashes, type KnownFile } from "./known-files.ts";
import { knownModels, type KnownModel, type KnownModelsQuery } from "./known-models.ts";
import { openWorkFile, type WorkFile } from "./open-work-file.ts";
import { publishSnapshot } from "./publish-snapshot.ts";
import { putModel } from "./put-model.ts";
import { putRun } from "./put-run.ts";
import { readRows } from "./read-rows.ts";
import type { IndexedModelWithDetails, ModelTouch, RunRecord } from "./records.ts";
import { pruneBlocks, removeModels } from "./remove-models.ts";
import { setStatus, type StatusChange } from "./set-status.ts";
import { touchModels } from "./touch-models.ts";

/**
 * Opens the catalog of a home for writing. Changes are durable when their promise resolves, and others see them after
 * `publish`. There is one writer a home at a time.
 * @param now the clock, for `crawled_at`
 * @throws InputError when another writer has it, or a newer version of the program made it
 */
export async function openCatalogWriter(home: string, now: () => Date = () => new Date()): Promise<CatalogWriter> {
  return new CatalogWriter(home, await openWorkFile(home), now);
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

  constructor(home: string, file: WorkFile, now: () => Date) {
    this.#home = home;
    this.#file = file;
    this.#now = now;
  }

  /** Replaces all rows of the model. */
  putModel(indexed: IndexedModelWithDetails): Promise<void> {
    return this.#change((connection) => putModel(connection, indexed, this.#time()));
  }

  setStatus(modelId: string, change: StatusChange): Promise<void> {
    return this.#change((connection) => setStatus(connection, modelId, change, this.#time()));
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

  /** Shows readers all changes so far, in one step. */
  publish(): Promise<void> {
    return this.#queue(() => publishSnapshot(this.#file.connection, this.#home));
  }

  /** Waits for the calls under way, then gives the catalog free. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#last;
    this.#file.close();
  }

  #time(): string {
    return this.#now().toISOString();
  }

  #change<T>(act: (connection: WorkFile["connection"]) => Promise<T>): Promise<T> {
    return this.#queue(async () => {
      const { connection } = this.#file;
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
