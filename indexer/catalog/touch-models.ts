import type { DuckDBConnection } from "@duckdb/node-api";
import { readRows } from "./read-rows.ts";
import type { ModelTouch } from "./records.ts";

/** Rows of one statement, so that its parameter stays small. */
const BATCH_ROWS = 5000;

const STATEMENT = `
  UPDATE models SET
    downloads = fact.downloads,
    likes = fact.likes,
    gated = fact.gated,
    last_modified = try_cast(fact.lastModified AS TIMESTAMP),
    crawled_at = $crawledAt::TIMESTAMP
  FROM (
    SELECT json_transform(unnest($facts)::JSON, '{
      "modelId": "VARCHAR", "downloads": "BIGINT", "likes": "BIGINT", "gated": "VARCHAR", "lastModified": "VARCHAR"
    }') AS fact
  ) AS listed
  WHERE models.model_id = fact.modelId`;

/**
 * Updates listing facts of models whose revision has not changed, many in one statement. Models that the catalog does
 * not know are left out. Run it in a transaction.
 */
export async function touchModels(
  connection: DuckDBConnection,
  rows: readonly ModelTouch[],
  crawledAt: string,
): Promise<void> {
  const latest = [...new Map(rows.map((row) => [row.modelId, row])).values()];
  for (let begin = 0; begin < latest.length; begin += BATCH_ROWS) {
    const facts = latest.slice(begin, begin + BATCH_ROWS).map((row) => JSON.stringify(row));
    await readRows(connection, STATEMENT, { facts, crawledAt: crawledAt.replace("Z", "") });
  }
}
