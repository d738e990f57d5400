import type { PlainValue } from "./plain-value.ts";
import type { SqlResult } from "./run-sql.ts";

/** Rows as CSV (RFC 4180) with a header. A null is an empty field, an empty text is `""`; lists are JSON. */
export async function* formatCsv(result: SqlResult): AsyncGenerator<string> {
  yield line(result.columns.map(({ name }) => name));
  for await (const row of result.rows()) yield line(row);
}

const line = (values: readonly (PlainValue | null)[]): string => `${values.map(field).join(",")}\r\n`;

function field(value: PlainValue): string {
  if (value === null) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
