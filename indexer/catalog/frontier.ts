import type { DuckDBConnection } from "@duckdb/node-api";
import type { FoundBy, ListedModel } from "../../crawler/listed-model.ts";
import { appendRows } from "./append-rows.ts";
import { VERIFIED } from "./known-models.ts";
import { readRows, type Row } from "./read-rows.ts";
import type { FrontierModel } from "./records.ts";

/*
 * The frontier: models that listings have shown as new or changed and that are still to be read. It lies in the catalog,
 * so that a crawl of half a million models neither holds them in memory nor lists them again after it was stopped.
 */

/** Replaces what the scope's frontier says of these models. Run it in a transaction. */
export async function putFrontier(
  connection: DuckDBConnection,
  scope: string,
  models: readonly FrontierModel[],
): Promise<void> {
  if (models.length === 0) return;
  const modelIds = models.map(({ listed }) => listed.id);
  const rows = await readRows(
    connection,
    `DELETE FROM frontier WHERE scope = $scope AND model_id IN (SELECT unnest($modelIds))
     RETURNING model_id, revision, tried_by`,
    { scope, modelIds },
  );
  const tried = new Map(
    rows.map((row) => [`${row.text("model_id")} ${row.text("revision")}`, row.maybeText("tried_by")]),
  );
  await appendRows(
    connection,
    "frontier",
    models.map(({ listed, family, waitsFor }) => [
      ...[scope, listed.id, listed.revision, family, listed.foundBy, listed.lastModified, listed.createdAt],
      ...[listed.downloads, listed.likes, listed.gated, listed.pipelineTag, listed.library, listed.license],
      ...[listed.baseModel, waitsFor, tried.get(`${listed.id} ${listed.revision}`) ?? null],
    ]),
  );
}

/** Takes models out of the frontier of the scope that each is named with. Run it in a transaction. */
export async function dropFrontier(
  connection: DuckDBConnection,
  models: readonly { readonly scope: string; readonly modelId: string }[],
): Promise<void> {
  if (models.length === 0) return;
  await readRows(
    connection,
    `DELETE FROM frontier WHERE (scope, model_id) IN (SELECT unnest($scopes), unnest($modelIds))`,
    { scopes: models.map(({ scope }) => scope), modelIds: models.map(({ modelId }) => modelId) },
  );
}

/**
 * Takes the next models that can be read and that this crawl has not tried yet, latest modification first. They stay in
 * the frontier until they are read, so that a crawl that dies loses none.
 */
export async function takeFrontier(
  connection: DuckDBConnection,
  { scope, crawlId, limit }: { readonly scope: string; readonly crawlId: string; readonly limit: number },
): Promise<FrontierModel[]> {
  const rows = await readRows(
    connection,
    `SELECT * FROM frontier
     WHERE scope = $scope AND waits_for IS NULL AND tried_by IS DISTINCT FROM $crawlId
     ORDER BY last_modified DESC, model_id LIMIT $limit`,
    { scope, crawlId, limit },
  );
  if (rows.length === 0) return [];
  const models = rows.map(parseFrontier);
  await readRows(
    connection,
    `UPDATE frontier SET tried_by = $crawlId WHERE scope = $scope AND model_id IN (SELECT unnest($modelIds))`,
    { scope, crawlId, modelIds: models.map(({ listed }) => listed.id) },
  );
  return models;
}

/**
 * Sets free the models that waited for a base which has turned out as one of the family: a fine-tune of a fine-tune
 * belongs to it, one of another base that is only named alike does not.
 * @returns how many
 */
export async function freeFrontier(connection: DuckDBConnection, family: string): Promise<number> {
  const rows = await readRows(
    connection,
    `UPDATE frontier SET waits_for = NULL, found_by = 'tag'
     WHERE scope = $family AND waits_for IN (
       SELECT model_id FROM models WHERE family = $family
       UNION SELECT model_id FROM frontier WHERE scope = $family AND waits_for IS NULL AND found_by <> 'name'
     ) RETURNING model_id`,
    { family },
  );
  return rows.length;
}

/** How many models of a scope can be read and have not been. */
export async function countFrontier(connection: DuckDBConnection, scope: string): Promise<number> {
  const sql = `SELECT count(*) AS n FROM frontier WHERE scope = $scope AND waits_for IS NULL`;
  const [row] = await readRows(connection, sql, { scope });
  return row?.number("n") ?? 0;
}

/** What a crawl may read that it did not last time, though the hub has nothing new. */
export interface RevisitQuery {
  /** Full ids of families' bases; null for all models. */
  readonly scopes: readonly string[] | null;
  /** A model that was gated may be open to the token. */
  readonly hasToken: boolean;
  readonly metadataOnly: boolean;
  readonly allTensors: boolean;
  /** Whole files are wanted that were compared with the hub's sha256. */
  readonly verified: boolean;
  /** The reason of models that can be read now; null where there is none. */
  readonly readableReason: string | null;
}

/**
 * Puts models into the frontier that the last crawls left undone: those that failed, or that this crawl's options make
 * readable. A listing down to the watermark does not show them again. Run it in a transaction.
 */
export async function revisitFrontier(connection: DuckDBConnection, query: RevisitQuery): Promise<void> {
  const { scopes, hasToken, metadataOnly, allTensors, verified, readableReason } = query;
  await readRows(
    connection,
    `INSERT INTO frontier
     SELECT CASE WHEN $everything THEN '*' ELSE family END AS of_scope, model_id, revision, family,
       CASE WHEN $everything THEN 'all' WHEN model_id = family THEN 'base' ELSE 'tag' END,
       last_modified, created_at, downloads, likes, gated, pipeline_tag, library, license, base_model, NULL, NULL
     FROM models
     WHERE ($everything OR family IN (SELECT unnest($families))) AND (
         status = 'failed'
         OR (status = 'gated' AND ($hasToken OR gated IS NULL))
         OR (status = 'metadata' AND NOT $metadataOnly AND ($everything OR reason IS NULL))
         OR (status = 'unsupported' AND reason = $readableReason)
         OR (status = 'indexed' AND $allTensors AND EXISTS (
           FROM tensors WHERE tensors.model_id = models.model_id AND hash IS NULL))
         OR (status = 'indexed' AND $verified AND NOT ${VERIFIED}))
       AND (of_scope, model_id) NOT IN (SELECT scope, model_id FROM frontier)`,
    {
      everything: scopes === null,
      families: scopes ?? [],
      hasToken,
      metadataOnly,
      allTensors,
      verified,
      readableReason,
    },
  );
}

function parseFrontier(row: Row): FrontierModel {
  const gated = row.maybeText("gated");
  const listed: ListedModel = {
    id: row.text("model_id"),
    revision: row.text("revision"),
    lastModified: row.maybeTime("last_modified"),
    createdAt: row.maybeTime("created_at"),
    downloads: row.maybeNumber("downloads") ?? 0,
    likes: row.maybeNumber("likes") ?? 0,
    gated: gated === "auto" || gated === "manual" ? gated : null,
    pipelineTag: row.maybeText("pipeline_tag"),
    library: row.maybeText("library"),
    license: row.maybeText("license"),
    baseModel: row.maybeText("base_model"),
    foundBy: parseFoundBy(row.text("found_by")),
  };
  return { listed, family: row.maybeText("family"), waitsFor: row.maybeText("waits_for") };
}

const FOUND_BY: readonly FoundBy[] = ["base", "tag", "name", "id", "all"];

/** A word of another version counts as found by name: then its shapes have to say that it belongs here. */
const parseFoundBy = (text: string): FoundBy => FOUND_BY.find((word) => word === text) ?? "name";
