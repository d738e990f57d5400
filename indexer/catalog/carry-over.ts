import type { DuckDBConnection } from "@duckdb/node-api";
import type { RepositoryFile } from "../../crawler/repository.ts";
import type { ListedModel } from "../../crawler/listed-model.ts";
import { appendRows } from "./append-rows.ts";
import { readRows } from "./read-rows.ts";

export interface CarryOver {
  readonly listed: ListedModel;
  readonly family: string | null;
  /** The files of the new revision. */
  readonly files: readonly RepositoryFile[];
}

/**
 * Moves all that the catalog holds of a model to a new revision, whose weights and settings are the old one's. What the
 * listing and the card tell is taken from the new one. Run it in a transaction.
 */
export async function carryOver(
  connection: DuckDBConnection,
  { listed, family, files }: CarryOver,
  crawledAt: string,
): Promise<void> {
  const { id, revision } = listed;
  await readRows(
    connection,
    `UPDATE models SET revision = $revision, family = $family, base_model = $baseModel, pipeline_tag = $pipelineTag,
       library = $library, license = $license, downloads = $downloads, likes = $likes, gated = $gated,
       created_at = $createdAt::TIMESTAMP, last_modified = $lastModified::TIMESTAMP, crawled_at = $crawledAt::TIMESTAMP
     WHERE model_id = $id`,
    {
      ...{ id, revision, family, baseModel: listed.baseModel, pipelineTag: listed.pipelineTag },
      ...{ library: listed.library, license: listed.license, downloads: listed.downloads, likes: listed.likes },
      ...{ gated: listed.gated, createdAt: utc(listed.createdAt), lastModified: utc(listed.lastModified) },
      crawledAt: utc(crawledAt),
    },
  );
  for (const table of ["tensors", "model_blocks"]) {
    await readRows(connection, `UPDATE ${table} SET revision = $revision WHERE model_id = $id`, { id, revision });
  }
  const before = await readRows(connection, `DELETE FROM files WHERE model_id = $id RETURNING path, sha256, verified`, {
    id,
  });
  const verified = new Map(
    before.map((row) => [`${row.text("path")} ${row.maybeText("sha256")}`, row.maybeText("verified")]),
  );
  await appendRows(
    connection,
    "files",
    files.map((file) => [
      ...[id, revision, file.path, file.size, file.sha256, file.etag, file.xetHash],
      verified.get(`${file.path} ${file.sha256}`) ?? null,
    ]),
  );
}

const utc = (time: string | null): string | null => time?.replace("Z", "") ?? null;
