import { formatCsv } from "./format-csv.ts";
import { formatJson } from "./format-json.ts";
import { formatParquet } from "./format-parquet.ts";
import { formatTable } from "./format-table.ts";
import type { SqlResult } from "./run-sql.ts";

export const ROW_FORMATS = ["table", "csv", "json", "parquet"] as const;

export type RowFormat = (typeof ROW_FORMATS)[number];

/**
 * Writes the rows of a query, part by part, as they come.
 * @param columns width of the terminal, for tables; default no limit
 */
export function formatRows(
  result: SqlResult,
  format: RowFormat,
  columns?: number,
): AsyncGenerator<string | Uint8Array> {
  switch (format) {
    case "table":
      return formatTable(result, columns);
    case "csv":
      return formatCsv(result);
    case "json":
      return formatJson(result);
    case "parquet":
      return formatParquet(result);
  }
}
