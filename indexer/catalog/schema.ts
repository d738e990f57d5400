import { BIGINT, BOOLEAN, DOUBLE, INTEGER, LIST, TIMESTAMP, VARCHAR, type DuckDBType } from "@duckdb/node-api";

/** Raise it with every change to a table, and add the statements that bring an older work file up to date. */
export const SCHEMA_VERSION = 2;

const LIST_OF_BIGINT = LIST(BIGINT);
const LIST_OF_INTEGER = LIST(INTEGER);

export const TABLE_NAMES = [
  "models",
  "files",
  "file_terms",
  "tensors",
  "blocks",
  "block_tensors",
  "model_blocks",
  "runs",
  "run_rounds",
  "run_scores",
] as const;

export type TableName = (typeof TABLE_NAMES)[number];

/**
 * The tables: their columns in order, which is also the order of bulk rows; a new column comes last, as in work files that
 * are brought up to date. Times are UTC. No keys and no indexes: they
 * would slow the bulk down and bloat the file, and there is one writer, which replaces a model's rows as a whole.
 */
export const TABLES: Readonly<Record<TableName, Readonly<Record<string, DuckDBType>>>> = {
  models: {
    model_id: VARCHAR,
    revision: VARCHAR,
    family: VARCHAR,
    base_model: VARCHAR,
    architecture: VARCHAR,
    model_type: VARCHAR,
    pipeline_tag: VARCHAR,
    library: VARCHAR,
    license: VARCHAR,
    downloads: BIGINT,
    likes: BIGINT,
    gated: VARCHAR,
    created_at: TIMESTAMP,
    last_modified: TIMESTAMP,
    parameters: BIGINT,
    bytes: BIGINT,
    backbone_parameters: BIGINT,
    status: VARCHAR,
    reason: VARCHAR,
    crawled_at: TIMESTAMP,
    config: VARCHAR,
    preprocessing: VARCHAR,
    input: VARCHAR,
    head_graph: VARCHAR,
  },
  files: {
    model_id: VARCHAR,
    revision: VARCHAR,
    path: VARCHAR,
    size: BIGINT,
    sha256: VARCHAR,
    etag: VARCHAR,
    xet_hash: VARCHAR,
    verified: VARCHAR,
  },
  file_terms: {
    model_id: VARCHAR,
    path: VARCHAR,
    position: INTEGER,
    xorb: VARCHAR,
    chunk_begin: INTEGER,
    chunk_end: INTEGER,
    file_begin: BIGINT,
    bytes: BIGINT,
    lengths: LIST_OF_INTEGER,
  },
  tensors: {
    model_id: VARCHAR,
    revision: VARCHAR,
    name: VARCHAR,
    dtype: VARCHAR,
    shape: LIST_OF_BIGINT,
    bytes: BIGINT,
    hash: VARCHAR,
    block: VARCHAR,
    role: VARCHAR,
    slots: LIST_OF_INTEGER,
    position: INTEGER,
    evidence: VARCHAR,
    file: VARCHAR,
    file_begin: BIGINT,
    file_end: BIGINT,
    strides: LIST_OF_BIGINT,
  },
  blocks: {
    block_id: VARCHAR,
    graph_hash: VARCHAR,
    weights_hash: VARCHAR,
    bytes: BIGINT,
    parameters: BIGINT,
    flops_per_item: BIGINT,
    output_shape: LIST_OF_BIGINT,
  },
  block_tensors: {
    block_id: VARCHAR,
    slot: INTEGER,
    hash: VARCHAR,
    role: VARCHAR,
  },
  model_blocks: {
    model_id: VARCHAR,
    revision: VARCHAR,
    position: INTEGER,
    name: VARCHAR,
    block_id: VARCHAR,
    prefix_id: VARCHAR,
    flops_per_item: BIGINT,
    output_shape: LIST_OF_BIGINT,
  },
  runs: {
    run_id: VARCHAR,
    started_at: TIMESTAMP,
    finished_at: TIMESTAMP,
    family: VARCHAR,
    strategy: VARCHAR,
    proxy: VARCHAR,
    seed: BIGINT,
    device: VARCHAR,
    data_set: VARCHAR,
    items_train: BIGINT,
    items_test: BIGINT,
    models: BIGINT,
    status: VARCHAR,
    args: VARCHAR,
    cost: VARCHAR,
  },
  run_rounds: {
    run_id: VARCHAR,
    round: INTEGER,
    models: BIGINT,
    items: BIGINT,
    seconds: DOUBLE,
  },
  run_scores: {
    run_id: VARCHAR,
    model_id: VARCHAR,
    revision: VARCHAR,
    round: INTEGER,
    items: BIGINT,
    score: DOUBLE,
    rank: INTEGER,
    tied: BOOLEAN,
  },
};

/** Order of the rows in a published snapshot: what a query filters by lies together. */
export const TABLE_ORDER: Readonly<Record<TableName, string>> = {
  models: "family, model_id",
  files: "model_id, path",
  file_terms: "model_id, path, position",
  tensors: "model_id, position",
  blocks: "block_id",
  block_tensors: "block_id, slot",
  model_blocks: "model_id, position",
  runs: "started_at, run_id",
  run_rounds: "run_id, round",
  run_scores: "run_id, round, model_id",
};

/** The statement that makes a table, if it is not there, in an attached database. */
export function createTableSql(table: TableName, database: string): string {
  const columns = Object.entries(TABLES[table]).map(([name, type]) => `"${name}" ${type.toString()}`);
  return `CREATE TABLE IF NOT EXISTS ${database}."${table}" (${columns.join(", ")})`;
}
