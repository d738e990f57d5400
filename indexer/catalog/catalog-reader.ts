import type { DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { findFamily } from "./find-family.ts";
import { listFamilies, type FamilySummary } from "./list-families.ts";
import { listModels, type ModelQuery } from "./list-models.ts";
import { openSnapshot } from "./open-snapshot.ts";
import { readChains } from "./read-chains.ts";
import { readModel } from "./read-model.ts";
import { readRows, type Parameters, type Row } from "./read-rows.ts";
import { readRun } from "./read-run.ts";
import type { CatalogEntry, CatalogModel, ChainBlock, RunRecord } from "./records.ts";

/**
 * Opens the published catalog of a home, as it is now: it does not change while it is open, and never blocks a crawl.
 * @throws InputError when nothing is indexed yet
 */
export async function openCatalogReader(home: string): Promise<CatalogReader> {
  const instance = await openSnapshot(home);
  return new CatalogReader(instance, await instance.connect());
}

/** One snapshot of the catalog. */
export class CatalogReader {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;

  constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance;
    this.#connection = connection;
  }

  /** Models by family, by id, by status or by a condition of the user, ordered by id. */
  listModels(query: ModelQuery = {}): Promise<CatalogModel[]> {
    return listModels(this.#connection, query);
  }

  /** The chain of each of the models that has one, by model id. */
  chains(modelIds: readonly string[]): Promise<Map<string, ChainBlock[]>> {
    return readChains(this.#connection, modelIds);
  }

  families(): Promise<FamilySummary[]> {
    return listFamilies(this.#connection);
  }

  /** Full id of a family's base, given that or its name without the org; undefined when the catalog has none. */
  findFamily(name: string): Promise<string | undefined> {
    return findFamily(this.#connection, name);
  }

  readModel(modelId: string): Promise<CatalogEntry | undefined> {
    return readModel(this.#connection, modelId);
  }

  readRun(runId: string): Promise<RunRecord | undefined> {
    return readRun(this.#connection, runId);
  }

  /** Runs a statement of this program; a user's goes through `runSql`. */
  query(sql: string, parameters?: Parameters): Promise<Row[]> {
    return readRows(this.#connection, sql, parameters);
  }

  /** A connection of its own, for statements that may leave something behind; the caller closes it. */
  connect(): Promise<DuckDBConnection> {
    return this.#instance.connect();
  }

  close(): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}
