import type { DuckDBConnection } from "@duckdb/node-api";
import { readRows } from "./read-rows.ts";
import { TABLE_ORDER, type TableName } from "./schema.ts";

/** How a table is cut: by the column that it is ordered by first (a text, never null), and rows of a part. */
interface Cut {
  readonly key: "model_id" | "block_id";
  readonly rows: number;
}

const NARROW_ROWS = 100_000;
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

/** Keys looked at for each part: parts are of about equal size then. */
const KEYS_A_PART = 50;

/**
 * Copies a table's rows from the database `work` to `snapshot` in the table's order, part by part. DuckDB sorts what does
 * not fit in memory too, but not whatever is larger: with 192 MB a million models' tensors (39 million rows) failed for
 * want of memory. A part needs some 40 MB, however large the table is.
 * @param cut of other sizes, for tests
 */
export async function copyInOrder(connection: DuckDBConnection, table: TableName, cut = CUTS[table]): Promise<void> {
  const ends = cut ? await partEnds(connection, table, cut) : [];
  for (const [index, end] of [...ends, undefined].entries()) {
    const after = ends[index - 1];
    const bounds = [
      ...(cut && after !== undefined ? [`${cut.key} > $after`] : []),
      ...(cut && end !== undefined ? [`${cut.key} <= $end`] : []),
    ];
    await readRows(
      connection,
      `INSERT INTO snapshot.${table} BY NAME SELECT * FROM work.${table}
       ${bounds.length > 0 ? `WHERE ${bounds.join(" AND ")}` : ""} ORDER BY ${TABLE_ORDER[table]}`,
      { ...(after !== undefined && { after }), ...(end !== undefined && { end }) },
    );
  }
}

/** The keys at which parts end, in order, without the last one. */
async function partEnds(connection: DuckDBConnection, table: TableName, { key, rows }: Cut): Promise<string[]> {
  const [all] = await readRows(connection, `SELECT count(*) AS n FROM work.${table}`);
  const parts = Math.ceil((all?.number("n") ?? 0) / rows);
  if (parts <= 1) return [];
  const sample = await readRows(
    connection,
    `SELECT ${key} AS key FROM work.${table} USING SAMPLE reservoir(${parts * KEYS_A_PART} ROWS) REPEATABLE (1) ORDER BY 1`,
  );
  const ends = sample.filter((_, index) => index > 0 && index % KEYS_A_PART === 0).map((row) => row.text("key"));
  return [...new Set(ends)];
}
