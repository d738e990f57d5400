import type { DuckDBConnection } from "@duckdb/node-api";
import { readRows } from "./read-rows.ts";
import type { ModelStatus } from "./records.ts";

export interface StatusChange {
  readonly status: ModelStatus;
  readonly reason: string | null;
  /** The revision that the change is about, where it is not the one whose rows the catalog holds. */
  readonly revision?: string;
}

/** Notes what became of a model that the catalog knows; its other facts stay. Unknown models are left out. */
export async function setStatus(
  connection: DuckDBConnection,
  modelId: string,
  { status, reason, revision }: StatusChange,
  crawledAt: string,
): Promise<void> {
  await readRows(
    connection,
    `UPDATE models SET status = $status, reason = $reason, revision = coalesce($revision, revision),
       crawled_at = $crawledAt::TIMESTAMP
     WHERE model_id = $modelId`,
    { modelId, status, reason, revision: revision ?? null, crawledAt: crawledAt.replace("Z", "") },
  );
}
