import type { DuckDBConnection } from "@duckdb/node-api";
import { readRows } from "./read-rows.ts";

/** All blocks that the catalog knows, by id. */
export async function listBlocks(connection: DuckDBConnection): Promise<{ blockId: string; graphHash: string }[]> {
  const rows = await readRows(connection, "SELECT block_id, graph_hash FROM blocks ORDER BY block_id");
  return rows.map((row) => ({ blockId: row.text("block_id"), graphHash: row.text("graph_hash") }));
}
