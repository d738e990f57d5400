import type { DuckDBConnection } from "@duckdb/node-api";
import { readRows } from "./read-rows.ts";

/** Fine-tunes of fine-tunes of …: deeper chains than this are circles of cards that name each other. */
const MAX_DEPTH = 10;

/**
 * Gives models that were listed without a family in view the one that their cards add up to: a base that others name
 * belongs to its own family, a fine-tune of a fine-tune to that of the first. Run it in a transaction.
 */
export async function settleFamilies(connection: DuckDBConnection): Promise<void> {
  await readRows(
    connection,
    "UPDATE models SET family = model_id WHERE family IS NULL AND model_id IN (SELECT family FROM models)",
  );
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const moved = await readRows(
      connection,
      `UPDATE models SET family = parent.family
       FROM (
         SELECT model_id, family FROM models
         WHERE family <> model_id AND model_id IN (SELECT DISTINCT family FROM models WHERE family <> model_id)
       ) AS parent
       WHERE models.family = parent.model_id AND models.family <> models.model_id
       RETURNING models.model_id`,
    );
    if (moved.length === 0) return;
  }
}
