import type { DuckDBConnection } from "@duckdb/node-api";
import { readRows } from "./read-rows.ts";

/**
 * Models that no listing has shown since a time, and that are not marked gone: at most `limit` of them, by id.
 * @param query.scope full id of a family's base, or `*` for all models
 * @param query.since when the listings began that went to their end
 * @param query.after the last id of the batch before
 */
export async function listUnseen(
  connection: DuckDBConnection,
  query: { readonly scope: string; readonly since: string; readonly after: string; readonly limit: number },
): Promise<string[]> {
  const rows = await readRows(
    connection,
    `SELECT model_id FROM models
     WHERE ($scope = '*' OR family = $scope) AND status <> 'gone' AND crawled_at < $since::TIMESTAMP
       AND model_id > $after AND model_id NOT IN (SELECT model_id FROM frontier WHERE frontier.scope = $scope)
     ORDER BY model_id LIMIT $limit`,
    { ...query, since: query.since.replace("Z", "") },
  );
  return rows.map((row) => row.text("model_id"));
}
