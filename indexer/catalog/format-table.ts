import { cutText, displayWidth, printableText } from "../../crawler/printable-text.ts";
import type { PlainValue } from "./plain-value.ts";
import type { SqlColumn, SqlResult } from "./run-sql.ts";

/** The widths follow from these first rows, so that a long answer can be written as it comes. */
const ROWS_MEASURED = 1000;
/** Longer values (a configuration, a list) are cut: a table is for people. */
const MAX_COLUMN_WIDTH = 80;
const MIN_COLUMN_WIDTH = 8;
const GAP = "  ";

/**
 * Rows as a table for people: numbers to the right, long values cut, nothing that steers a terminal.
 * @param columns width of the terminal; default no limit
 */
export async function* formatTable(result: SqlResult, columns = Number.POSITIVE_INFINITY): AsyncGenerator<string> {
  if (result.columns[1]?.name === "explain_value") return yield* formatPlan(result);
  const header = result.columns.map(({ name }) => printableText(name));
  let count = 0;
  let widths: number[] | undefined;
  let waiting: string[][] = [];
  const start = function* (): Generator<string> {
    widths = fitWidths([header, ...waiting], columns);
    yield line(header, widths, result.columns);
    yield `${widths.map((width) => "─".repeat(width)).join(GAP)}\n`;
    for (const row of waiting) yield line(row, widths, result.columns);
    waiting = [];
  };
  for await (const values of result.rows()) {
    const row = values.map((value) => cellText(value));
    count++;
    if (widths) yield line(row, widths, result.columns);
    else if (waiting.push(row) === ROWS_MEASURED) yield* start();
  }
  if (!widths) yield* start();
  yield `(${count} ${count === 1 ? "row" : "rows"})\n`;
}

/** What EXPLAIN answers is a drawing of several lines. */
async function* formatPlan(result: SqlResult): AsyncGenerator<string> {
  for await (const [, plan] of result.rows())
    for (const text of String(plan).split("\n")) yield `${printableText(text)}\n`;
}

function cellText(value: PlainValue): string {
  if (value === null) return "NULL";
  return printableText(typeof value === "object" ? JSON.stringify(value) : String(value));
}

/** What the columns need, and where that is too much, less of the widest. */
function fitWidths(rows: readonly (readonly string[])[], limit: number): number[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.min(
      MAX_COLUMN_WIDTH,
      rows.reduce((width, row) => Math.max(width, displayWidth(row[column] ?? "")), 1),
    ),
  );
  const total = () => widths.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1));
  while (total() > limit) {
    const widest = Math.max(...widths);
    if (widest <= MIN_COLUMN_WIDTH) break;
    widths[widths.indexOf(widest)] = widest - 1;
  }
  return widths;
}

function line(cells: readonly string[], widths: readonly number[], columns: readonly SqlColumn[]): string {
  const parts = widths.map((width, index) => {
    const text = cutText(cells[index] ?? "", width);
    const space = " ".repeat(Math.max(0, width - displayWidth(text)));
    return columns[index]?.numeric ? space + text : text + space;
  });
  return `${parts.join(GAP).trimEnd()}\n`;
}
