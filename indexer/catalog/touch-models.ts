import type { DuckDBConnection } from "@duckdb/node-api";
import { readRows } from "./read-rows.ts";
import type { ModelTouch } from "./records.ts";

/** Rows of one statement, so that its parameter stays small. */
const BATCH_ROWS = 5000;

const STATEMENT = `
  UPDATE models SET
    downloads = CASE WHEN listed.has_downloads THEN listed.downloads ELSE models.downloads END,
    likes = CASE WHEN listed.has_likes THEN listed.likes ELSE models.likes END,
    gated = CASE WHEN listed.has_gated THEN listed.gated ELSE models.gated END,
    last_modified = CASE WHEN listed.has_last_modified THEN listed.last_modified ELSE models.last_modified END,
    crawled_at = $crawledAt::TIMESTAMP
  FROM (
    SELECT
      fact->>'modelId' AS model_id,
      json_exists(fact, '$.downloads') AS has_downloads, (fact->>'downloads')::BIGINT AS downloads,
      json_exists(fact, '$.likes') AS has_likes, (fact->>'likes')::BIGINT AS likes,
      json_exists(fact, '$.gated') AS has_gated, fact->>'gated' AS gated,
      json_exists(fact, '$.lastModified') AS has_last_modified,
      try_cast(fact->>'lastModified' AS TIMESTAMP) AS last_modified
    FROM (SELECT unnest($facts)::JSON AS fact)
  ) AS listed
  WHERE models.model_id = listed.model_id`;

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
