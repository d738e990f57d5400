import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { DuckDBBlobValue } from "@duckdb/node-api";
import type { Table } from "./open-table.ts";
import { writeLargeFile } from "./write-large-file.ts";

/**
 * Writes the pictures of a column of bytes, one after the other, to one file in `folder`, so that they need no memory
 * and can be read by many threads. A file that is there already is kept: it is named after the table's path, size and
 * time.
 * @param lengths how long each row's picture is, in bytes; 0 where it has none
 * @returns path of the file
 */
export async function unpackImages(
  table: Table,
  expression: string,
  lengths: readonly number[],
  folder: string,
  signal?: AbortSignal,
): Promise<string> {
  const { size, mtimeMs } = await stat(table.path);
  const key = createHash("sha256")
    .update(JSON.stringify([table.path, size, mtimeMs, expression]))
    .digest("hex");
  const path = join(folder, `${key}.pictures`);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if ((await stat(path).catch(() => undefined))?.size === total) return path;
  const { synced } = await writeLargeFile(path, async (file) => {
    for await (const [value] of table.select([expression])) {
      signal?.throwIfAborted();
      if (value instanceof DuckDBBlobValue) await file.appendFile(value.bytes);
    }
  });
  await synced;
  return path;
}
