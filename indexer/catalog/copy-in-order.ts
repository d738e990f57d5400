import type { DuckDBConnection } from "@duckdb/node-api";
import { quoteText } from "./quote-text.ts";
import { readRows } from "./read-rows.ts";
import { TABLE_ORDER, type TableName } from "./schema.ts";

/** How a table is cut: by the column that it is ordered by first (a text, never null), and rows of a part. */
export interface Cut {
  readonly key: "model_id" | "block_id";
  readonly rows: number;
}

const NARROW_ROWS = 50_000;
/** Rows that hold whole configurations, or a number for each chunk. */
const WIDE_ROWS = 10_000;

/** Tables that grow with the models. Others fit in memory as a whole. */
const CUTS: Partial<Readonly<Record<TableName, Cut>>> = {
  models: { key: "model_id", rows: WIDE_ROWS },
  files: { key: "model_id", rows: NARROW_ROWS },
  file_terms: { key: "model_id", rows: WIDE_ROWS },
  tensors: { key: "model_id", rows: NARROW_ROWS },
  model_blocks: { key: "model_id", rows: NARROW_ROWS },
  frontier: { key: "model_id", rows: NARROW_ROWS },
  blocks: { key: "block_id", rows: NARROW_ROWS },
  block_tensors: { key: "block_id", rows: NARROW_ROWS },
};

/** Into how many ranges rows are dealt at a time: for each of them all keys are looked through. */
const RANGES = 32;
/** Keys looked at for each range: ranges are of about equal size then. */
const KEYS_A_RANGE = 50;

/**
 * Copies a table's rows from the database `work` to `snapshot` in the table's order, part by part. DuckDB sorts what does
 * not fit in memory too, but not whatever is larger: with 192 MB a million models' tensors (39 million rows) failed for
 * want of memory. A part needs some 25 MB, however large the table is.
 *
 * A table of more than RANGES parts is dealt into that many ranges of keys first, and these again: each range lies for a
 * while in the database `scratch`. So each row is looked at a few times (the logarithm of the number of parts), where
 * looking for each part in the whole table would take the square of its size.
 *
 * It runs transactions of its own: the copy is nobody's yet.
 * @param cut of other sizes, for tests
 */
export async function copyInOrder(connection: DuckDBConnection, table: TableName, cut = CUTS[table]): Promise<void> {
  if (cut) await copyByParts(connection, { table, cut, source: `work.${table}`, depth: 0 });
  else await copyRange(connection, table, `work.${table}`, "");
}

interface Dealing {
  readonly table: TableName;
  readonly cut: Cut;
  /** The table that the rows are in, `work`'s or one of `scratch`. */
  readonly source: string;
  readonly depth: number;
}

async function copyByParts(connection: DuckDBConnection, dealing: Dealing): Promise<void> {
  const { table, cut, source, depth } = dealing;
  const rows = await countRows(connection, source);
  const parts = Math.ceil(rows / cut.rows);
  const ranges = parts > 1 ? await chooseRanges(connection, source, cut.key, Math.min(parts, RANGES)) : [""];
  if (parts <= RANGES) {
    await connection.run("BEGIN TRANSACTION");
    for (const range of ranges) await copyRange(connection, table, source, range);
    await connection.run("COMMIT");
    return;
  }
  const scratch = `scratch.${table}_${depth}`;
  for (const range of ranges) {
    await connection.run(`CREATE TABLE ${scratch} AS SELECT * FROM ${source} ${range}`);
    // the rows of one key cannot be dealt further
    if ((await countRows(connection, scratch)) === rows) await copyRange(connection, table, scratch, "");
    else await copyByParts(connection, { table, cut, source: scratch, depth: depth + 1 });
    await connection.run(`DROP TABLE ${scratch}`);
  }
}

async function copyRange(connection: DuckDBConnection, table: TableName, source: string, range: string): Promise<void> {
  await connection.run(
    `INSERT INTO snapshot.${table} BY NAME SELECT * FROM ${source} ${range} ORDER BY ${TABLE_ORDER[table]}`,
  );
}

async function countRows(connection: DuckDBConnection, source: string): Promise<number> {
  const [row] = await readRows(connection, `SELECT count(*) AS n FROM ${source}`);
  return row?.number("n") ?? 0;
}

/** Ranges of the key, in order, that hold about equally many rows and together all: `WHERE` clauses. */
async function chooseRanges(
  connection: DuckDBConnection,
  source: string,
  key: Cut["key"],
  count: number,
): Promise<string[]> {
  const sample = await readRows(
    connection,
    `SELECT ${key} AS key FROM ${source} USING SAMPLE reservoir(${count * KEYS_A_RANGE} ROWS) REPEATABLE (1) ORDER BY 1`,
  );
  const chosen = sample.filter((_, index) => index > 0 && index % KEYS_A_RANGE === 0).map((row) => row.text("key"));
  const ends = [...new Set(chosen)];
  return [...ends, undefined].map((end, index) => {
    const after = ends[index - 1];
    const bounds = [
      ...(after === undefined ? [] : [`${key} > ${quoteText(after)}`]),
      ...(end === undefined ? [] : [`${key} <= ${quoteText(end)}`]),
    ];
    return bounds.length > 0 ? `WHERE ${bounds.join(" AND ")}` : "";
  });
}
