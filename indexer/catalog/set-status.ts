import type { DuckDBConnection } from "@duckdb/node-api";
import { readRows } from "./read-rows.ts";
import type { ModelStatus } from "./records.ts";

export interface StatusChange {
  readonly status: ModelStatus;
  readonly reason: string | null;
}

/** Notes what became of a model that the catalog knows; its other facts stay. Unknown models are left out. */
export async function setStatus(
  connection: DuckDBConnection,
  modelId: string,
  { status, reason }: StatusChange,
  crawledAt: string,
): Promise<void> {
  await readRows(
    connection,
    `UPDATE models SET status = $status, reason = $reason, crawled_at = $crawledAt::TIMESTAMP WHERE model_id = $modelId`,
    { modelId, status, reason, crawledAt: crawledAt.replace("Z", "") },
  );
}
