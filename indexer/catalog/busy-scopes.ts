import type { DuckDBConnection } from "@duckdb/node-api";
import { readRows } from "./read-rows.ts";

export interface AskedScope {
  /** Full id of a family's base. */
  readonly scope: string;
  /** When the listings began that went to their end; null where none did. */
  readonly since: string | null;
}

/**
 * The families of which there is something to read in the frontier, or to let in from it, or that have a model which no
 * listing has shown since: one look for all of them.
 */
export async function findBusyScopes(connection: DuckDBConnection, asked: readonly AskedScope[]): Promise<Set<string>> {
  if (asked.length === 0) return new Set();
  const rows = await readRows(
    connection,
    `WITH asked AS (
       SELECT unnest($scopes) AS scope, nullif(unnest($since), '')::TIMESTAMP AS since
     )
     SELECT scope FROM frontier JOIN asked USING (scope)
     WHERE waits_for IS NULL OR (waits_for, scope) IN (SELECT model_id, family FROM models)
     UNION
     SELECT scope FROM models JOIN asked ON family = scope
     WHERE status <> 'gone' AND crawled_at < since AND (scope, model_id) NOT IN (SELECT scope, model_id FROM frontier)`,
    {
      scopes: asked.map(({ scope }) => scope),
      since: asked.map(({ since }) => since?.replace("Z", "") ?? ""),
    },
  );
  return new Set(rows.map((row) => row.text("scope")));
}
