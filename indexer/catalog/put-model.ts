import type { DuckDBConnection } from "@duckdb/node-api";
import type { FileTerm } from "../../crawler/xet/file-term.ts";
import { appendRows, type Cell } from "./append-rows.ts";
import { readRows } from "./read-rows.ts";
import type { BlockRecord, IndexedModelWithDetails, TensorRecord } from "./records.ts";

const REPLACED = ["models", "files", "file_terms", "tensors", "model_blocks"] as const;

/**
 * Replaces all that the catalog holds of a model; blocks that other models may share stay. Run it in a transaction.
 * @param crawledAt ISO time
 * @throws RangeError when the chain's positions are not 0, 1, 2 …
 */
export async function putModel(
  connection: DuckDBConnection,
  indexed: IndexedModelWithDetails,
  crawledAt: string,
): Promise<void> {
  const { model, files, tensors, blocks } = indexed;
  const id = model.modelId;
  checkChain(id, blocks);
  await forgetModel(connection, id);
  await appendRows(connection, "models", [modelRow(indexed, crawledAt)]);
  await appendRows(
    connection,
    "files",
    files.map((file) => [
      ...[id, model.revision, file.path, file.size, file.sha256, file.etag, file.xetHash, file.verified],
    ]),
  );
  await appendRows(connection, "file_terms", termRows(id, indexed.terms ?? new Map()));
  await appendRows(connection, "tensors", tensorRows(id, model.revision, tensors));
  await appendRows(
    connection,
    "model_blocks",
    blocks.map((block) => [
      ...[id, model.revision, block.position, block.name, block.blockId, block.prefixId],
      ...[Math.round(block.flopsPerItem), block.outputShape],
    ]),
  );
  await putBlocks(connection, blocks);
}

/** Takes a model that is dealt with, at a revision, out of the frontier. Run it in the same transaction. */
export async function settleFrontier(
  connection: DuckDBConnection,
  { id, revision }: { readonly id: string; readonly revision: string },
): Promise<void> {
  await readRows(connection, "DELETE FROM frontier WHERE model_id = $id AND revision = $revision", { id, revision });
}

/** Only a model that has a row in the small table `models` can have rows in the large ones, which take long to search. */
async function forgetModel(connection: DuckDBConnection, id: string): Promise<void> {
  const known = await readRows(connection, "SELECT 1 FROM models WHERE model_id = $id", { id });
  if (known.length === 0) return;
  for (const table of REPLACED) await readRows(connection, `DELETE FROM ${table} WHERE model_id = $id`, { id });
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

function* tensorRows(id: string, revision: string, tensors: readonly TensorRecord[]): Generator<Cell[]> {
  for (const [position, tensor] of tensors.entries()) {
    const { name, dtype, shape, bytes, hash, block, role, slots, evidence, place } = tensor;
    yield [
      ...[id, revision, name, dtype, shape, bytes, hash, block, role, slots, position, evidence],
      ...[place?.file ?? null, place?.begin ?? null, place?.end ?? null, place?.strides ?? null],
    ];
  }
}

function* termRows(id: string, files: ReadonlyMap<string, readonly FileTerm[]>): Generator<Cell[]> {
  for (const [path, terms] of files) {
    for (const [position, { xorb, start, end, begin, bytes, lengths }] of terms.entries()) {
      yield [id, path, position, xorb, start, end, begin, bytes, lengths];
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
