import type { DuckDBConnection } from "@duckdb/node-api";
import { appendRows } from "./append-rows.ts";
import { readRows } from "./read-rows.ts";

/**
 * Keeps the list of stored blocks that no model needs: new ones join it with the present time, those that are needed
 * again or were removed leave it. Run it in a transaction, after the catalog without them has been published.
 * @returns since when each has been on it, ISO times by block id
 */
export async function noteGarbage(
  connection: DuckDBConnection,
  blockIds: readonly string[],
  now: string,
): Promise<Map<string, string>> {
  await readRows(connection, "DELETE FROM garbage WHERE block_id NOT IN (SELECT unnest($blockIds))", { blockIds });
  const rows = await readRows(connection, "SELECT block_id, since FROM garbage");
  const since = new Map(rows.map((row) => [row.text("block_id"), row.maybeTime("since") ?? now]));
  const added = blockIds.filter((id) => !since.has(id));
  await appendRows(
    connection,
    "garbage",
    added.map((id) => [id, now]),
  );
  for (const id of added) since.set(id, now);
  return since;
}
