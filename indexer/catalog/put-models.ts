import type { DuckDBConnection } from "@duckdb/node-api";
import { appendRows, type Cell } from "./append-rows.ts";
import { readRows } from "./read-rows.ts";
import type { BlockRecord, IndexedModelWithDetails } from "./records.ts";
import type { TableName } from "./schema.ts";

const REPLACED = ["models", "files", "file_terms", "tensors", "model_blocks"] as const;

/**
 * Replaces all that the catalog holds of models; blocks that other models may share stay. Many in one step cost little
 * more than one: most of what rows cost is paid once a table. Run it in a transaction.
 * @param models each id once
 * @param crawledAt ISO time
 * @throws RangeError when a chain's positions are not 0, 1, 2 …
 */
export async function putModels(
  connection: DuckDBConnection,
  models: readonly IndexedModelWithDetails[],
  crawledAt: string,
): Promise<void> {
  for (const { model, blocks } of models) checkChain(model.modelId, blocks);
  await forgetModels(
    connection,
    models.map(({ model }) => model.modelId),
  );
  const append = (table: TableName, rowsOf: (indexed: IndexedModelWithDetails) => Iterable<readonly Cell[]>) =>
    appendRows(connection, table, flatten(models, rowsOf));
  await append("models", (indexed) => [modelRow(indexed, crawledAt)]);
  await append("files", fileRows);
  await append("file_terms", termRows);
  await append("tensors", tensorRows);
  await append("model_blocks", chainRows);
  await putBlocks(
    connection,
    models.flatMap(({ blocks }) => blocks),
  );
}

/** Takes models that are dealt with, each at a revision, out of the frontier. Run it in the same transaction. */
export async function settleFrontier(
  connection: DuckDBConnection,
  models: readonly { readonly id: string; readonly revision: string }[],
): Promise<void> {
  await readRows(
    connection,
    `DELETE FROM frontier WHERE (model_id, revision) IN (SELECT unnest($ids), unnest($revisions))`,
    { ids: models.map(({ id }) => id), revisions: models.map(({ revision }) => revision) },
  );
}

/** Only a model that has a row in the small table `models` can have rows in the large ones, which take long to search. */
async function forgetModels(connection: DuckDBConnection, ids: readonly string[]): Promise<void> {
  const rows = await readRows(connection, "SELECT model_id FROM models WHERE model_id IN (SELECT unnest($ids))", {
    ids,
  });
  if (rows.length === 0) return;
  const known = rows.map((row) => row.text("model_id"));
  for (const table of REPLACED) {
    await readRows(connection, `DELETE FROM ${table} WHERE model_id IN (SELECT unnest($known))`, { known });
  }
}

function* flatten<T, U>(items: readonly T[], partsOf: (item: T) => Iterable<U>): Generator<U> {
  for (const item of items) yield* partsOf(item);
}

function checkChain(id: string, blocks: readonly BlockRecord[]): void {
  const odd = blocks.findIndex((block, index) => block.position !== index);
  if (odd >= 0) throw new RangeError(`block ${odd} of ${id}: expected position ${odd}, got ${blocks[odd]?.position}`);
}

function modelRow(indexed: IndexedModelWithDetails, crawledAt: string): Cell[] {
  const { model, config, preprocessing, input, headGraph } = indexed;
  return [
    ...[model.modelId, model.revision, model.family, model.baseModel, model.architecture, model.modelType],
    ...[model.pipelineTag, model.library, model.license, model.downloads, model.likes, model.gated],
    ...[model.createdAt, model.lastModified, model.parameters, model.bytes, model.backboneParameters],
    ...[model.status, model.reason, crawledAt],
    ...[config ?? null, preprocessing ?? null, input ?? null, headGraph ?? null],
  ];
}

function* fileRows({ model, files }: IndexedModelWithDetails): Generator<Cell[]> {
  for (const { path, size, sha256, etag, xetHash, verified } of files) {
    yield [model.modelId, model.revision, path, size, sha256, etag, xetHash, verified];
  }
}

function* chainRows({ model, blocks }: IndexedModelWithDetails): Generator<Cell[]> {
  for (const { position, name, blockId, prefixId, flopsPerItem, outputShape } of blocks) {
    yield [
      ...[model.modelId, model.revision, position, name, blockId, prefixId],
      ...[Math.round(flopsPerItem), outputShape],
    ];
  }
}

function* tensorRows({ model, tensors }: IndexedModelWithDetails): Generator<Cell[]> {
  for (const [position, tensor] of tensors.entries()) {
    const { name, dtype, shape, bytes, hash, block, role, slots, evidence, place } = tensor;
    yield [
      ...[model.modelId, model.revision, name, dtype, shape, bytes, hash, block, role, slots, position, evidence],
      ...[place?.file ?? null, place?.begin ?? null, place?.end ?? null, place?.strides ?? null],
    ];
  }
}

function* termRows({ model, terms: files = new Map() }: IndexedModelWithDetails): Generator<Cell[]> {
  for (const [path, terms] of files) {
    for (const [position, { xorb, start, end, begin, bytes, lengths }] of terms.entries()) {
      yield [model.modelId, path, position, xorb, start, end, begin, bytes, lengths];
    }
  }
}

/** Adds the blocks that the catalog does not know yet, each once. */
async function putBlocks(connection: DuckDBConnection, blocks: readonly BlockRecord[]): Promise<void> {
  if (blocks.length === 0) return;
  const byId = new Map(blocks.map((block) => [block.blockId, block]));
  const known = await readRows(connection, "SELECT block_id FROM blocks WHERE block_id IN (SELECT unnest($ids))", {
    ids: [...byId.keys()],
  });
  for (const row of known) byId.delete(row.text("block_id"));
  const added = [...byId.values()];
  await appendRows(
    connection,
    "blocks",
    added.map((block) => [
      ...[block.blockId, block.graphHash, block.weightsHash, block.bytes, block.parameters],
      ...[Math.round(block.flopsPerItem), block.outputShape],
    ]),
  );
  await appendRows(
    connection,
    "block_tensors",
    added.flatMap((block) => block.slots.map(({ hash, role }, slot) => [block.blockId, slot, hash, role])),
  );
}
