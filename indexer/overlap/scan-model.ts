import type { CatalogReader } from "../catalog/catalog-reader.ts";

/** What is known of the model that is looked up; it need not be in the catalog. */
export interface ScannedModel {
  /** Left out of the answer. */
  readonly modelId?: string;
  /** In chain order. */
  readonly blocks: readonly { readonly blockId: string }[];
  /** Those without a hash are not counted. */
  readonly tensors: readonly { readonly hash: string | null }[];
}

/** A model of the catalog that has something of the scanned one. Counts are of the relative's own blocks and tensors. */
export interface Relative {
  readonly model: string;
  readonly revision: string;
  readonly family: string | null;
  readonly base: string | null;
  readonly blocks: number;
  readonly sharedBlocks: number;
  /** Leading blocks that are equal. */
  readonly sharedPrefix: number;
  readonly bytes: number;
  readonly sharedBytes: number;
  /** Tensors whose hash is known. */
  readonly tensors: number;
  readonly sharedTensors: number;
}

const STATEMENT = `
  WITH own AS (SELECT unnest($blocks) AS block_id, generate_subscripts($blocks, 1) - 1 AS position),
  chains AS (
    SELECT
      model_id,
      count(*) AS blocks,
      count(*) FILTER (c.block_id IN (SELECT block_id FROM own)) AS shared_blocks,
      coalesce(min(c.position) FILTER (own.block_id IS DISTINCT FROM c.block_id), count(*)) AS shared_prefix,
      sum(b.bytes)::BIGINT AS bytes,
      coalesce(sum(b.bytes) FILTER (c.block_id IN (SELECT block_id FROM own)), 0)::BIGINT AS shared_bytes
    FROM model_blocks AS c JOIN blocks AS b USING (block_id) LEFT JOIN own ON own.position = c.position
    GROUP BY model_id
  ),
  tensors AS (
    SELECT
      model_id,
      count(hash) AS tensors,
      count(*) FILTER (hash IN (SELECT unnest($hashes))) AS shared_tensors
    FROM tensors
    GROUP BY model_id
  )
  SELECT
    model_id, revision, family AS base, regexp_replace(family, '^.*/', '') AS family,
    coalesce(blocks, 0) AS blocks, coalesce(shared_blocks, 0) AS shared_blocks,
    coalesce(shared_prefix, 0) AS shared_prefix,
    coalesce(c.bytes, 0) AS bytes, coalesce(shared_bytes, 0) AS shared_bytes,
    coalesce(tensors, 0) AS tensors, coalesce(shared_tensors, 0) AS shared_tensors
  FROM models LEFT JOIN chains AS c USING (model_id) LEFT JOIN tensors USING (model_id)
  WHERE status = 'indexed' AND model_id <> $self AND (shared_blocks > 0 OR shared_tensors > 0)
  ORDER BY shared_blocks DESC, shared_bytes DESC, shared_tensors DESC, model_id
  LIMIT $top`;

/**
 * Finds the nearest relatives of a model in the whole catalog: by shared blocks, then bytes, then tensors.
 * @param options.top how many; default 10
 */
export async function scanModel(
  reader: CatalogReader,
  { modelId, blocks, tensors }: ScannedModel,
  { top = 10 }: { readonly top?: number } = {},
): Promise<Relative[]> {
  const rows = await reader.query(STATEMENT, {
    blocks: blocks.map(({ blockId }) => blockId),
    hashes: tensors.flatMap(({ hash }) => (hash === null ? [] : [hash])),
    self: modelId ?? "",
    top,
  });
  return rows.map((row) => ({
    model: row.text("model_id"),
    revision: row.text("revision"),
    family: row.maybeText("family"),
    base: row.maybeText("base"),
    blocks: row.number("blocks"),
    sharedBlocks: row.number("shared_blocks"),
    sharedPrefix: row.number("shared_prefix"),
    bytes: row.number("bytes"),
    sharedBytes: row.number("shared_bytes"),
    tensors: row.number("tensors"),
    sharedTensors: row.number("shared_tensors"),
  }));
}
