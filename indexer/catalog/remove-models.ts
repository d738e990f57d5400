import type { DuckDBConnection } from "@duckdb/node-api";
import { readRows } from "./read-rows.ts";

/** Forgets models and all their rows; the blocks stay until they are pruned. Run it in a transaction. */
export async function removeModels(connection: DuckDBConnection, modelIds: readonly string[]): Promise<void> {
  for (const table of ["models", "files", "file_terms", "tensors", "model_blocks"])
    await readRows(connection, `DELETE FROM ${table} WHERE model_id IN (SELECT unnest($modelIds))`, { modelIds });
}

/**
 * Forgets blocks that no model's chain holds. Run it in a transaction.
 * @returns their ids
 */
export async function pruneBlocks(connection: DuckDBConnection): Promise<string[]> {
  const rows = await readRows(
    connection,
    `DELETE FROM blocks WHERE block_id NOT IN (SELECT block_id FROM model_blocks) RETURNING block_id`,
  );
  await readRows(connection, "DELETE FROM block_tensors WHERE block_id NOT IN (SELECT block_id FROM blocks)");
  return rows.map((row) => row.text("block_id"));
}
