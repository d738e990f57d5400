import type { DuckDBConnection } from "@duckdb/node-api";
import type { FileTerm } from "../../crawler/xet/file-term.ts";
import { parseEvidence, parsePlace } from "./read-model.ts";
import { readRows, type Row } from "./read-rows.ts";
import type { Evidence, TensorPlace, Verification } from "./records.ts";

/** A weight file of an indexed model, by what its rows say. */
export interface KnownFile {
  readonly modelId: string;
  readonly path: string;
  readonly architecture: string | null;
  readonly verified: Verification | null;
  /** All tensors of the file, in its order. */
  readonly tensors: readonly KnownFileTensor[];
}

export interface KnownFileTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly place: TensorPlace;
  readonly hash: string | null;
  readonly evidence: Evidence | null;
  /** What it fills in the (first) block that reads it. */
  readonly fills: TensorFill | null;
}

/** Slots of a block in the store that hold a tensor's values, whole or in parts. */
export interface TensorFill {
  readonly block: string;
  readonly blockId: string;
  readonly graphHash: string;
  readonly slots: readonly number[];
}

/** Files that may share chunks with another are compared up to so many. */
const MAX_TERM_FILES = 16;

/** A file of the same hash, of an indexed model; one that was verified, or of which most is known, if there are several. */
export async function findFile(
  connection: DuckDBConnection,
  { sha256, xetHash }: { readonly sha256: string | null; readonly xetHash: string | null },
): Promise<KnownFile | null> {
  // most files are new: that is seen without a look at the tensors, of which there are many more
  const same = await readRows(
    connection,
    `SELECT DISTINCT model_id FROM files WHERE sha256 = $sha256 OR xet_hash = $xetHash`,
    { sha256, xetHash },
  );
  if (same.length === 0) return null;
  const [row] = await readRows(
    connection,
    `SELECT model_id, path, verified, architecture
     FROM files JOIN models USING (model_id) JOIN tensors AS t USING (model_id)
     WHERE status = 'indexed' AND (sha256 = $sha256 OR xet_hash = $xetHash) AND t.file = path
       AND model_id IN (SELECT unnest($modelIds))
     GROUP BY model_id, path, verified, architecture
     ORDER BY verified IS NULL, count(t.hash) DESC, model_id
     LIMIT 1`,
    { sha256, xetHash, modelIds: same.map((found) => found.text("model_id")) },
  );
  return row ? readFile(connection, row) : null;
}

/** Files of indexed models that are made of some of these xorbs; those whose chunks were read come first. */
export async function findTermFiles(
  connection: DuckDBConnection,
  xorbs: readonly string[],
): Promise<(KnownFile & { readonly terms: readonly FileTerm[] })[]> {
  const rows = await readRows(
    connection,
    `SELECT model_id, path, any_value(verified) AS verified, any_value(architecture) AS architecture
     FROM file_terms JOIN models USING (model_id) JOIN files USING (model_id, path)
     WHERE status = 'indexed' AND xorb IN (SELECT unnest($xorbs))
     GROUP BY model_id, path
     ORDER BY sum(len(lengths)) DESC NULLS LAST, sum(chunk_end - chunk_begin) DESC, model_id, path
     LIMIT ${MAX_TERM_FILES}`,
    { xorbs },
  );
  const found = [];
  for (const row of rows) found.push({ ...(await readFile(connection, row)), terms: await readTerms(connection, row) });
  return found;
}

async function readFile(connection: DuckDBConnection, row: Row): Promise<KnownFile> {
  const file = { modelId: row.text("model_id"), path: row.text("path") };
  const tensors = await readRows(
    connection,
    `SELECT t.*, c.block_id, b.graph_hash
     FROM tensors AS t
     LEFT JOIN model_blocks AS c ON c.model_id = t.model_id AND c.name = t.block
     LEFT JOIN blocks AS b USING (block_id)
     WHERE t.model_id = $modelId AND t.file = $path
     ORDER BY t.position`,
    file,
  );
  return {
    ...file,
    architecture: row.maybeText("architecture"),
    verified: row.maybeText("verified") === "sha256" ? "sha256" : null,
    tensors: tensors.flatMap((tensor) => parseTensor(tensor) ?? []),
  };
}

function parseTensor(row: Row): KnownFileTensor | null {
  const place = parsePlace(row);
  if (!place) return null;
  return {
    name: row.text("name"),
    dtype: row.text("dtype"),
    shape: row.numbers("shape"),
    place,
    hash: row.maybeText("hash"),
    evidence: parseEvidence(row.maybeText("evidence")),
    fills: parseFill(row),
  };
}

function parseFill(row: Row): TensorFill | null {
  const [block, blockId, graphHash] = [row.maybeText("block"), row.maybeText("block_id"), row.maybeText("graph_hash")];
  const slots = row.maybeNumbers("slots");
  if (block === null || blockId === null || graphHash === null || slots === null) return null;
  return { block, blockId, graphHash, slots };
}

async function readTerms(connection: DuckDBConnection, row: Row): Promise<FileTerm[]> {
  const rows = await readRows(
    connection,
    "SELECT * FROM file_terms WHERE model_id = $modelId AND path = $path ORDER BY position",
    { modelId: row.text("model_id"), path: row.text("path") },
  );
  return rows.map((term) => ({
    xorb: term.text("xorb"),
    start: term.number("chunk_begin"),
    end: term.number("chunk_end"),
    begin: term.number("file_begin"),
    bytes: term.number("bytes"),
    lengths: term.maybeNumbers("lengths"),
  }));
}

/** The hashes of what fills blocks' slots, by block id, in slot order. */
export async function slotHashes(
  connection: DuckDBConnection,
  blockIds: readonly string[],
): Promise<Map<string, string[]>> {
  const rows = await readRows(
    connection,
    "SELECT block_id, hash FROM block_tensors WHERE block_id IN (SELECT unnest($blockIds)) ORDER BY block_id, slot",
    { blockIds },
  );
  const hashes = new Map<string, string[]>();
  for (const row of rows) {
    const list = hashes.get(row.text("block_id"));
    if (list) list.push(row.text("hash"));
    else hashes.set(row.text("block_id"), [row.text("hash")]);
  }
  return hashes;
}
