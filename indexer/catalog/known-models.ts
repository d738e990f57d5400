import type { DuckDBConnection } from "@duckdb/node-api";
import { readRows } from "./read-rows.ts";
import type { ModelStatus } from "./records.ts";

export interface KnownModel {
  readonly revision: string;
  readonly status: ModelStatus;
  readonly family: string | null;
  readonly reason: string | null;
  readonly gated: string | null;
  /** ISO time of the latest visit. */
  readonly crawledAt: string | null;
  /** Whether every tensor of its checkpoint was read and hashed, heads included; false where it was not asked. */
  readonly allTensors: boolean;
  /**
   * Whether all of its weight files, as far as the hub gives a sha256 of them, were read whole and compared with it; false
   * where it was not asked.
   */
  readonly verified: boolean;
}

/** Which models to tell of. */
export interface KnownModelsQuery {
  readonly modelIds: readonly string[];
  /** Also find out whether all tensors are hashed and all files verified, which takes a look at them all. */
  readonly withTensors?: boolean;
}

const STATUSES: readonly ModelStatus[] = ["indexed", "metadata", "unsupported", "gated", "failed", "gone"];

/** Reads a status; a word that this version does not know counts as failed, so that the model is read again. */
export const parseStatus = (text: string): ModelStatus => STATUSES.find((status) => status === text) ?? "failed";

const ALL_TENSORS = "NOT EXISTS (FROM tensors WHERE tensors.model_id = models.model_id AND hash IS NULL)";
/** Whether a row of `models` has only weight files that were compared with the hub's sha256, where it gives one. */
export const VERIFIED = `NOT EXISTS (
    FROM files
    WHERE files.model_id = models.model_id AND files.sha256 IS NOT NULL AND files.verified IS NULL
      AND (files.model_id, files.path) IN (SELECT (tensors.model_id, tensors.file) FROM tensors)
  )`;

/** What the catalog holds of the models that are asked for, by model id. */
export async function knownModels(
  connection: DuckDBConnection,
  { modelIds, withTensors = false }: KnownModelsQuery,
): Promise<Map<string, KnownModel>> {
  if (modelIds.length === 0) return new Map();
  const rows = await readRows(
    connection,
    `SELECT model_id, revision, status, family, reason, gated, crawled_at,
       ${withTensors ? ALL_TENSORS : "false"} AS all_tensors,
       ${withTensors ? VERIFIED : "false"} AS verified
     FROM models
     WHERE model_id IN (SELECT unnest($modelIds))`,
    { modelIds },
  );
  return new Map(
    rows.map((row) => [
      row.text("model_id"),
      {
        revision: row.text("revision"),
        status: parseStatus(row.text("status")),
        family: row.maybeText("family"),
        reason: row.maybeText("reason"),
        gated: row.maybeText("gated"),
        crawledAt: row.maybeTime("crawled_at"),
        allTensors: row.boolean("all_tensors"),
        verified: row.boolean("verified"),
      },
    ]),
  );
}
