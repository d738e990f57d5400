import type { DuckDBConnection } from "@duckdb/node-api";
import { MODEL_COLUMNS, parseModel } from "./list-models.ts";
import { readChains } from "./read-chains.ts";
import { readRows, type Row } from "./read-rows.ts";
import type {
  BlockRecord,
  BlockSlotRecord,
  CatalogEntry,
  Evidence,
  FileRecord,
  TensorPlace,
  TensorRecord,
  TensorRole,
} from "./records.ts";

/** All that the catalog holds of a model. */
export async function readModel(connection: DuckDBConnection, id: string): Promise<CatalogEntry | undefined> {
  const [row] = await readRows(connection, `SELECT ${MODEL_COLUMNS}, config FROM models WHERE model_id = $id`, { id });
  if (!row) return undefined;
  const tensors = await readRows(connection, `SELECT * FROM tensors WHERE model_id = $id ORDER BY position`, { id });
  return {
    model: parseModel(row),
    config: row.maybeText("config"),
    files: await readFiles(connection, id),
    tensors: tensors.map(parseTensor),
    blocks: await readBlocks(connection, id),
  };
}

/** The files of a model at the revision that the catalog holds, by path. */
export async function readFiles(connection: DuckDBConnection, id: string): Promise<FileRecord[]> {
  const rows = await readRows(connection, `SELECT * FROM files WHERE model_id = $id ORDER BY path`, { id });
  return rows.map((row) => ({
    path: row.text("path"),
    size: row.number("size"),
    sha256: row.maybeText("sha256"),
    etag: row.maybeText("etag"),
    xetHash: row.maybeText("xet_hash"),
    verified: row.maybeText("verified") === "sha256" ? "sha256" : null,
  }));
}

const EVIDENCE: readonly Evidence[] = ["hash", "file", "xet"];

const parseRole = (text: string | null): TensorRole | null => (text === "norm" || text === "weight" ? text : null);

const parseTensor = (row: Row): TensorRecord => ({
  name: row.text("name"),
  dtype: row.text("dtype"),
  shape: row.numbers("shape"),
  bytes: row.number("bytes"),
  hash: row.maybeText("hash"),
  block: row.maybeText("block"),
  role: parseRole(row.maybeText("role")),
  slots: row.maybeNumbers("slots"),
  evidence: parseEvidence(row.maybeText("evidence")),
  place: parsePlace(row),
});

/** Reads an evidence; a word that this version does not know counts as none. */
export const parseEvidence = (text: string | null): Evidence | null => EVIDENCE.find((word) => word === text) ?? null;

/** Where a tensor lies; null in rows of older versions. */
export function parsePlace(row: Row): TensorPlace | null {
  const file = row.maybeText("file");
  if (file === null) return null;
  const strides = row.maybeNumbers("strides");
  return { file, begin: row.number("file_begin"), end: row.number("file_end"), strides };
}

async function readBlocks(connection: DuckDBConnection, id: string): Promise<BlockRecord[]> {
  const chain = (await readChains(connection, [id])).get(id) ?? [];
  const rows = await readRows(
    connection,
    `SELECT b.block_id, b.parameters, t.hash, t.role
     FROM blocks AS b LEFT JOIN block_tensors AS t USING (block_id)
     WHERE b.block_id IN (SELECT block_id FROM model_blocks WHERE model_id = $id)
     ORDER BY b.block_id, t.slot`,
    { id },
  );
  const blocks = new Map<string, { parameters: number; slots: BlockSlotRecord[] }>();
  for (const row of rows) {
    const blockId = row.text("block_id");
    const block = blocks.get(blockId) ?? { parameters: row.number("parameters"), slots: [] };
    blocks.set(blockId, block);
    const hash = row.maybeText("hash");
    if (hash !== null) block.slots.push({ hash, role: parseRole(row.maybeText("role")) ?? "weight" });
  }
  return chain.map((link) => ({ ...link, ...(blocks.get(link.blockId) ?? { parameters: 0, slots: [] }) }));
}
