import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { quoteText } from "./quote-text.ts";
import type { SqlResult } from "./run-sql.ts";

/**
 * Rows as a Parquet file. A second database, in memory, writes it: the one that runs the user's SQL may write nothing,
 * and this one runs none of it, and may write below one temporary folder alone.
 */
export async function* formatParquet(result: SqlResult): AsyncGenerator<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "alsatian-"));
  try {
    const file = join(folder, "rows.parquet");
    await writeParquet(result, folder, file);
    for await (const bytes of createReadStream(file)) if (bytes instanceof Uint8Array) yield bytes;
  } finally {
    result.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeParquet(result: SqlResult, folder: string, file: string): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:", {
    temp_directory: join(folder, "spill"),
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  try {
    const connection = await instance.connect();
    await connection.run(`SET allowed_directories = [${quoteText(folder)}]`);
    await connection.run("SET enable_external_access = false");
    await connection.run("SET lock_configuration = true");
    const columns = result.columns.map(({ name, type }) => `"${name.replaceAll('"', '""')}" ${type.toString()}`);
    await connection.run(`CREATE TABLE answer (${columns.join(", ")})`);
    const appender = await connection.createAppender("answer");
    try {
      for await (const chunk of result.chunks()) appender.appendDataChunk(chunk);
      appender.flushSync();
    } finally {
      appender.closeSync();
    }
    await connection.run(`COPY answer TO ${quoteText(file)} (FORMAT parquet, COMPRESSION zstd)`);
    connection.closeSync();
  } finally {
    instance.closeSync();
  }
}
