import type { SqlResult } from "./run-sql.ts";

/** Rows as one JSON array of objects. */
export async function* formatJson(result: SqlResult): AsyncGenerator<string> {
  const names = result.columns.map(({ name }) => name);
  let separator = "[\n";
  for await (const row of result.rows()) {
    yield separator + JSON.stringify(Object.fromEntries(names.map((name, index) => [name, row[index] ?? null])));
    separator = ",\n";
  }
  yield separator === "[\n" ? "[]\n" : "\n]\n";
}
