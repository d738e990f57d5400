import { mkdir, realpath } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { InputError } from "../../crawler/errors.ts";
import { giveBackMemory } from "./give-back-memory.ts";
import { quoteText } from "./quote-text.ts";
import { readRows } from "./read-rows.ts";
import { ROW_GROUP_ROWS } from "./row-groups.ts";
import { createTableSql, SCHEMA_VERSION, TABLE_NAMES, TABLES } from "./schema.ts";

/** The writer's own database, open and of the current schema. */
export interface WorkFile {
  readonly connection: DuckDBConnection;
  /** Gives back what DuckDB keeps in memory and does not need. Outside of transactions. */
  giveBackMemory(): Promise<void>;
  close(): void;
}

/**
 * Files that this process writes. DuckDB locks a file against other processes only, and closing a second handle would
 * even give that lock away.
 */
const openHere = new Set<string>();

/**
 * A writer needs little: bulk rows go to disk, and what a snapshot sorts comes in parts that spill. DuckDB uses what it
 * is given, so this is what it takes of the process's memory.
 */
const MEMORY_LIMIT_BYTES = 64e6;
/**
 * What a new file is made of. Each column that rows are added to holds at least one block in memory: with DuckDB's own
 * 256 KiB a crawl holds 50 MB of rows where 10 would do.
 */
const BLOCK_BYTES = 65_536;
/** For files of larger blocks, of older versions of the program: a crawl of 100,000 models failed with 96 MB. */
const LARGE_BLOCKS_LIMIT_BYTES = 128e6;
/** Rows that were written lie in memory, uncompressed, until the log is so long: by itself 16 MiB, some 60 MB of rows. */
const CHECKPOINT_BYTES = 4e6;
/** What a sort holds grows with the threads, and statements of one row gain nothing from them. */
const THREADS = 1;

/**
 * Opens `<home>/catalog/work.duckdb`, makes or migrates its schema, and holds DuckDB's lock on it until closed.
 * @throws InputError when another crawl or index runs on this home, or a newer version made the file
 */
export async function openWorkFile(home: string): Promise<WorkFile> {
  const folder = join(home, "catalog");
  await mkdir(folder, { recursive: true });
  const path = join(await realpath(folder), "work.duckdb");
  if (openHere.has(path)) throw busy(home);
  openHere.add(path);
  try {
    const instance = await openInstance(path);
    try {
      const connection = await instance.connect();
      const limit = await attach(connection, path, home);
      await migrate(connection, path);
      return {
        connection,
        giveBackMemory: () => giveBackMemory(connection, limit),
        close: () => closeAll(path, instance, connection),
      };
    } catch (cause) {
      instance.closeSync();
      throw cause;
    }
  } catch (cause) {
    openHere.delete(path);
    throw cause;
  }
}

function closeAll(path: string, instance: DuckDBInstance, connection: DuckDBConnection): void {
  connection.closeSync();
  instance.closeSync();
  openHere.delete(path);
}

const busy = (home: string, cause?: unknown) =>
  new InputError(`another crawl, index or search is writing to the catalog of ${home}; wait until it has ended`, {
    cause,
  });

/** A database in memory, which the files are attached to: only so DuckDB takes the size of their row groups. */
const openInstance = (path: string): Promise<DuckDBInstance> =>
  DuckDBInstance.create(":memory:", {
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    threads: String(THREADS),
    checkpoint_threshold: `${CHECKPOINT_BYTES / 1e6}MB`,
    default_block_size: String(BLOCK_BYTES),
    memory_limit: limit(MEMORY_LIMIT_BYTES),
    temp_directory: `${path}.tmp`,
  });

const limit = (bytes: number): string => `${Math.floor(Math.min(bytes, totalmem() / 2) / 1e6)}MB`;

/** @returns the limit of DuckDB's memory */
async function attach(connection: DuckDBConnection, path: string, home: string): Promise<string> {
  try {
    await connection.run(`ATTACH ${quoteText(path)} AS work (ROW_GROUP_SIZE ${ROW_GROUP_ROWS})`);
  } catch (cause) {
    if (cause instanceof Error && /set lock on file|being used by another process/i.test(cause.message))
      throw busy(home, cause);
    throw cause;
  }
  await connection.run("USE work");
  const [size] = await readRows(
    connection,
    "SELECT block_size FROM pragma_database_size() WHERE database_name = 'work'",
  );
  const bytes = size && size.number("block_size") > BLOCK_BYTES ? LARGE_BLOCKS_LIMIT_BYTES : MEMORY_LIMIT_BYTES;
  await connection.run(`SET memory_limit = '${limit(bytes)}'`);
  return limit(bytes);
}

async function migrate(connection: DuckDBConnection, path: string): Promise<void> {
  await connection.run("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER)");
  const [row] = await readRows(connection, "SELECT max(version) AS version FROM schema_version");
  const version = row?.maybeNumber("version") ?? 0;
  if (version > SCHEMA_VERSION)
    throw new InputError(
      `${path} has schema ${version}, made by a newer version of this program, which knows schema ${SCHEMA_VERSION}; update it`,
    );
  if (version === SCHEMA_VERSION) return;
  await connection.run("BEGIN TRANSACTION");
  for (const table of TABLE_NAMES) {
    await connection.run(createTableSql(table, "work"));
    for (const [name, type] of Object.entries(TABLES[table])) {
      await connection.run(`ALTER TABLE work."${table}" ADD COLUMN IF NOT EXISTS "${name}" ${type.toString()}`);
    }
  }
  if (version < 3) {
    await connection.run("UPDATE tensors SET evidence = 'hash' WHERE hash IS NOT NULL AND evidence IS NULL");
  }
  await connection.run(`DELETE FROM schema_version`);
  await connection.run(`INSERT INTO schema_version VALUES (${SCHEMA_VERSION})`);
  await connection.run("COMMIT");
}
