import type { DuckDBConnection } from "@duckdb/node-api";
import { InputError } from "../../crawler/errors.ts";
import { checkPredicate } from "./check-predicate.ts";
import { findFamily } from "./find-family.ts";
import { parseStatus } from "./known-models.ts";
import { readRows, type Row } from "./read-rows.ts";
import type { CatalogModel, ModelStatus } from "./records.ts";

/** All conditions that are given must hold. */
export interface ModelQuery {
  /** Full ids of bases, or their names without the org; a family that the catalog lacks has no models. */
  readonly families?: readonly string[];
  readonly modelIds?: readonly string[];
  readonly status?: ModelStatus;
  /** A condition in SQL on the columns of `models`. */
  readonly where?: string;
}

/** The columns that `parseModel` reads. */
export const MODEL_COLUMNS = `model_id, revision, family, base_model, architecture, model_type, pipeline_tag, library,
  license, downloads, likes, gated, created_at, last_modified, parameters, bytes, backbone_parameters, status, reason,
  crawled_at, preprocessing, input, head_graph`;

/**
 * Lists models of the catalog, ordered by id.
 * @throws InputError with DuckDB's words when `where` is not a condition on `models`
 */
export async function listModels(connection: DuckDBConnection, query: ModelQuery): Promise<CatalogModel[]> {
  const { families, modelIds, status, where } = query;
  if (where !== undefined) await checkPredicate(connection, where);
  const bases = families && (await Promise.all(families.map((name) => findFamily(connection, name))));
  const source = where === undefined ? "models" : `(SELECT * FROM models WHERE (${where}\n))`;
  const read = readRows(
    connection,
    `SELECT ${MODEL_COLUMNS} FROM ${source}
     WHERE ($anyFamily OR family IN (SELECT unnest($bases)))
       AND ($anyId OR model_id IN (SELECT unnest($modelIds)))
       AND ($status IS NULL OR status = $status)
     ORDER BY model_id`,
    {
      anyFamily: bases === undefined,
      bases: bases?.filter((base) => base !== undefined) ?? [],
      anyId: modelIds === undefined,
      modelIds: modelIds ?? [],
      status: status ?? null,
    },
  );
  const rows = where === undefined ? await read : await read.catch((cause: unknown) => refuse(where, cause));
  return rows.map(parseModel);
}

function refuse(where: string, cause: unknown): never {
  const message = cause instanceof Error ? cause.message : String(cause);
  throw new InputError(`the condition ${JSON.stringify(where)} fails: ${message}`, { cause });
}

export const parseModel = (row: Row): CatalogModel => ({
  modelId: row.text("model_id"),
  revision: row.text("revision"),
  family: row.maybeText("family"),
  baseModel: row.maybeText("base_model"),
  architecture: row.maybeText("architecture"),
  modelType: row.maybeText("model_type"),
  pipelineTag: row.maybeText("pipeline_tag"),
  library: row.maybeText("library"),
  license: row.maybeText("license"),
  downloads: row.maybeNumber("downloads"),
  likes: row.maybeNumber("likes"),
  gated: row.maybeText("gated"),
  createdAt: row.maybeTime("created_at"),
  lastModified: row.maybeTime("last_modified"),
  parameters: row.maybeNumber("parameters"),
  bytes: row.maybeNumber("bytes"),
  backboneParameters: row.maybeNumber("backbone_parameters"),
  status: parseStatus(row.text("status")),
  reason: row.maybeText("reason"),
  crawledAt: row.maybeTime("crawled_at"),
  preprocessing: row.maybeText("preprocessing"),
  input: row.maybeText("input"),
  headGraph: row.maybeText("head_graph"),
});
