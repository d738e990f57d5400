import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { openCatalogReader } from "../../indexer/catalog/catalog-reader.ts";

/**
 * What of a catalog follows from the hub alone. Times, logs of crawls and places in listings are left out, and what hangs
 * on the order in which models were read: `evidence`, which says of which of two equal tensors the bytes were read (but
 * not whether there is one).
 */
const QUESTIONS: Readonly<Record<string, string>> = {
  models: "SELECT * EXCLUDE (crawled_at) FROM models",
  files: "SELECT * FROM files",
  tensors: "SELECT * EXCLUDE (evidence), evidence IS NOT NULL AS is_evident FROM tensors",
  blocks: "SELECT * FROM blocks",
  block_tensors: "SELECT * FROM block_tensors",
  model_blocks: "SELECT * FROM model_blocks",
  frontier: "SELECT * EXCLUDE (tried_by) FROM frontier",
  model_overlap: "SELECT * FROM model_overlap",
};

/**
 * What may be less than after a crawl without faults, and must not be other. Of two equal files the terms are kept of the
 * one that was read first, and of none where Xet did not work, so they are compared by what the file is. They are cut
 * where chunks were read, which tell their lengths, so runs of a xorb are compared as wholes.
 */
const PARTS: Readonly<Record<string, string>> = {
  file_terms: `
    SELECT DISTINCT xet_hash, run, any_value(xorb) AS xorb, min(chunk_begin) AS chunk_begin, max(chunk_end) AS chunk_end,
      min(file_begin) AS file_begin, sum(bytes) AS bytes
    FROM (
      SELECT *, count_if(begins) OVER (PARTITION BY model_id, path ORDER BY position) AS run
      FROM (
        SELECT *, (lag(xorb) OVER terms, lag(chunk_end) OVER terms) IS DISTINCT FROM (xorb, chunk_begin) AS begins
        FROM file_terms WINDOW terms AS (PARTITION BY model_id, path ORDER BY position)
      )
    ) JOIN files USING (model_id, path)
    GROUP BY model_id, path, xet_hash, run`,
};

export interface HomeContent {
  /** Rows as JSON, by table, in one order. */
  readonly tables: Readonly<Record<string, readonly string[]>>;
  /** The sha256 of every file of the store, by its path in it. */
  readonly store: Readonly<Record<string, string>>;
}

/** All that a home holds. @param hubUrl taken out of messages, as each hub has a port of its own */
export async function homeContent(home: string, hubUrl: string): Promise<HomeContent> {
  const reader = await openCatalogReader(home);
  const connection = await reader.connect();
  const rows = async (sql: string): Promise<string[]> => {
    const found = (await connection.runAndReadAll(sql)).getRowObjectsJson();
    return found.map((row) => JSON.stringify(row).replaceAll(hubUrl, "HUB")).sort();
  };
  try {
    const tables: Record<string, readonly string[]> = {};
    for (const [table, sql] of Object.entries({ ...QUESTIONS, ...PARTS })) tables[table] = await rows(sql);
    return { tables, store: await storeFiles(join(home, "store")) };
  } finally {
    connection.closeSync();
    reader.close();
  }
}

async function storeFiles(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const path of paths.sort()) {
    found[path.slice(folder.length + 1)] = createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
  }
  return found;
}

/** What is different in a home, in words; nothing where all is as it should be. */
export function differences(actual: HomeContent, expected: HomeContent): string[] {
  const found: string[] = [];
  for (const [table, rows] of Object.entries(expected.tables)) {
    const own = actual.tables[table] ?? [];
    const mayLack = PARTS[table] !== undefined;
    if (!mayLack) found.push(...rowsNotIn(rows, own).map((row) => `${table} lacks ${row}`));
    found.push(...rowsNotIn(own, rows).map((row) => `${table} has also ${row}`));
  }
  const names = new Set([...Object.keys(actual.store), ...Object.keys(expected.store)]);
  for (const name of names) {
    if (actual.store[name] === undefined) found.push(`the store lacks ${name}`);
    else if (expected.store[name] === undefined) found.push(`the store has also ${name}`);
    else if (actual.store[name] !== expected.store[name]) found.push(`${name} of the store is another file`);
  }
  return found;
}

/** Rows of the first list that the second one lacks, as often as it lacks them. */
function rowsNotIn(rows: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const row of others) left.set(row, (left.get(row) ?? 0) + 1);
  return rows.filter((row) => {
    const count = left.get(row) ?? 0;
    left.set(row, count - 1);
    return count <= 0;
  });
}
