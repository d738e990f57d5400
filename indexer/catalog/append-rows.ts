import {
  DuckDBDataChunk,
  DuckDBTimestampValue,
  DuckDBTypeId,
  listValue,
  type DuckDBAppender,
  type DuckDBConnection,
  type DuckDBType,
  type DuckDBValue,
} from "@duckdb/node-api";
import { TABLES, type TableName } from "./schema.ts";

/** A value of a row before it has a database type: times are ISO texts, lists are numbers. */
export type Cell = string | number | boolean | null | readonly number[];

/** Rows of one chunk: DuckDB's vector size, which a chunk cannot exceed. */
const CHUNK_ROWS = 2048;

/**
 * Adds rows in bulk, in the connection's transaction: nothing is parsed as SQL.
 * @param rows their cells in the order of the table's columns in `TABLES`
 */
export async function appendRows(
  connection: DuckDBConnection,
  table: TableName,
  rows: Iterable<readonly Cell[]>,
): Promise<void> {
  const types = Object.values(TABLES[table]);
  let batch: DuckDBValue[][] = [];
  let appender: DuckDBAppender | undefined; // of a table that gets rows: an appender is no cheap thing
  const flush = async () => {
    if (batch.length === 0) return;
    const chunk = DuckDBDataChunk.create(types);
    chunk.setRows(batch);
    appender ??= await connection.createAppender(table);
    appender.appendDataChunk(chunk);
    batch = [];
  };
  try {
    for (const row of rows) {
      batch.push(types.map((type, column) => toValue(row[column] ?? null, type)));
      if (batch.length === CHUNK_ROWS) await flush();
    }
    await flush();
    appender?.flushSync();
  } finally {
    appender?.closeSync();
  }
}

/** A cell as a value of a column's type; a time that is none becomes null, as it is only told, never relied on. */
export function toValue(cell: Cell, type: DuckDBType): DuckDBValue {
  if (cell === null) return null;
  switch (type.typeId) {
    case DuckDBTypeId.BIGINT:
      return toBigInt(cell);
    case DuckDBTypeId.TIMESTAMP:
      return toTimestamp(cell);
    case DuckDBTypeId.LIST:
      return listOf(cell, type);
    default:
      return typeof cell === "object" ? null : cell;
  }
}

function toBigInt(cell: Cell): bigint {
  if (typeof cell === "number" && Number.isSafeInteger(cell)) return BigInt(cell);
  throw new RangeError(`expected an integer below 2^53, got ${JSON.stringify(cell)}`);
}

function toTimestamp(cell: Cell): DuckDBTimestampValue | null {
  const milliseconds = typeof cell === "string" ? Date.parse(cell) : Number.NaN;
  return Number.isNaN(milliseconds) ? null : new DuckDBTimestampValue(BigInt(milliseconds) * 1000n);
}

const LIST_OF_BIGINT_TEXT = "BIGINT[]";

function listOf(cell: Cell, type: DuckDBType): DuckDBValue {
  if (typeof cell !== "object" || cell === null) throw new RangeError(`expected a list, got ${JSON.stringify(cell)}`);
  return listValue(type.toString() === LIST_OF_BIGINT_TEXT ? cell.map((item) => toBigInt(item)) : [...cell]);
}
