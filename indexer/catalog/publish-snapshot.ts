import { open, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { publishFile } from "../store/durable-file.ts";
import { copyInOrder } from "./copy-in-order.ts";
import { quoteText } from "./quote-text.ts";
import { SNAPSHOT_NAME } from "./snapshot-path.ts";
import { ROW_GROUP_ROWS } from "./row-groups.ts";
import { createTableSql, SCHEMA_VERSION, TABLE_NAMES } from "./schema.ts";
import { createViewsSql } from "./views.ts";

/** DuckDB's own, which every version of it opens. */
const SNAPSHOT_BLOCK_BYTES = 262_144;

/**
 * Writes a compact copy of the catalog with its views and puts it in the place of the published one by a rename, so
 * that readers see the old or the new whole. When it fails, the old one stays.
 *
 * The copy goes through DuckDB: copying the work file's bytes here would need a second handle, and closing that gives
 * DuckDB's lock away.
 */
export async function publishSnapshot(connection: DuckDBConnection, home: string): Promise<void> {
  const temporary = join(resolve(home), `.${SNAPSHOT_NAME}.tmp`);
  const scratch = join(resolve(home), `.${SNAPSHOT_NAME}.scratch.tmp`);
  const target = join(resolve(home), SNAPSHOT_NAME);
  await connection.run("CHECKPOINT");
  await removeDatabase(temporary);
  await removeDatabase(scratch);
  try {
    await writeCopy(connection, temporary, scratch);
    const left = await stat(`${temporary}.wal`).catch(() => undefined);
    if (left) throw new Error(`DuckDB left changes of ${temporary} in its log`);
    await sync(temporary);
    await rm(`${target}.wal`, { force: true }); // of someone who opened the old snapshot for writing
    await publishFile(temporary, target);
  } catch (cause) {
    await removeDatabase(temporary);
    throw cause;
  } finally {
    await removeDatabase(scratch);
  }
}

async function writeCopy(connection: DuckDBConnection, path: string, scratch: string): Promise<void> {
  await attach(connection, path, "snapshot", SNAPSHOT_BLOCK_BYTES);
  try {
    await attach(connection, scratch, "scratch", SNAPSHOT_BLOCK_BYTES);
    try {
      for (const table of TABLE_NAMES) {
        await connection.run(createTableSql(table, "snapshot"));
        await copyInOrder(connection, table);
      }
    } catch (cause) {
      await connection.run("ROLLBACK").catch(() => undefined); // where it failed in a transaction
      throw cause;
    } finally {
      await connection.run("DETACH scratch");
    }
    await connection.run(`CREATE TABLE snapshot.schema_version AS SELECT ${SCHEMA_VERSION}::INTEGER AS version`);
    for (const view of createViewsSql()) await connection.run(view);
    await connection.run("CHECKPOINT snapshot");
  } finally {
    await connection.run("DETACH snapshot");
  }
}

const attach = (connection: DuckDBConnection, path: string, name: string, blockBytes: number) =>
  connection.run(`ATTACH ${quoteText(path)} AS ${name} (BLOCK_SIZE ${blockBytes}, ROW_GROUP_SIZE ${ROW_GROUP_ROWS})`);

async function removeDatabase(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(`${path}.wal`, { force: true });
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
