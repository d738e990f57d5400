import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";

/** The tables of schema 1, as its version of the program made them. */
const SCHEMA_1 = `
  CREATE TABLE models (
    model_id VARCHAR, revision VARCHAR, family VARCHAR, base_model VARCHAR, architecture VARCHAR, model_type VARCHAR,
    pipeline_tag VARCHAR, library VARCHAR, license VARCHAR, downloads BIGINT, likes BIGINT, gated VARCHAR,
    created_at TIMESTAMP, last_modified TIMESTAMP, parameters BIGINT, bytes BIGINT, backbone_parameters BIGINT,
    status VARCHAR, reason VARCHAR, crawled_at TIMESTAMP, config VARCHAR, preprocessing VARCHAR, input VARCHAR,
    head_graph VARCHAR);
  CREATE TABLE files (
    model_id VARCHAR, revision VARCHAR, path VARCHAR, size BIGINT, sha256 VARCHAR, etag VARCHAR, xet_hash VARCHAR);
  CREATE TABLE tensors (
    model_id VARCHAR, revision VARCHAR, name VARCHAR, dtype VARCHAR, shape BIGINT[], bytes BIGINT, hash VARCHAR,
    block VARCHAR, role VARCHAR, slots INTEGER[], position INTEGER);
  CREATE TABLE blocks (
    block_id VARCHAR, graph_hash VARCHAR, weights_hash VARCHAR, bytes BIGINT, parameters BIGINT, flops_per_item BIGINT,
    output_shape BIGINT[]);
  CREATE TABLE block_tensors (block_id VARCHAR, slot INTEGER, hash VARCHAR, role VARCHAR);
  CREATE TABLE model_blocks (
    model_id VARCHAR, revision VARCHAR, position INTEGER, name VARCHAR, block_id VARCHAR, prefix_id VARCHAR,
    flops_per_item BIGINT, output_shape BIGINT[]);
  CREATE TABLE runs (
    run_id VARCHAR, started_at TIMESTAMP, finished_at TIMESTAMP, family VARCHAR, strategy VARCHAR, proxy VARCHAR,
    seed BIGINT, device VARCHAR, data_set VARCHAR, items_train BIGINT, items_test BIGINT, models BIGINT, status VARCHAR,
    args VARCHAR, cost VARCHAR);
  CREATE TABLE run_rounds (run_id VARCHAR, round INTEGER, models BIGINT, items BIGINT, seconds DOUBLE);
  CREATE TABLE run_scores (
    run_id VARCHAR, model_id VARCHAR, revision VARCHAR, round INTEGER, items BIGINT, score DOUBLE, rank INTEGER,
    tied BOOLEAN);
  INSERT INTO models VALUES (
    'acme/base', 'rev-1', 'acme/base', NULL, 'vit', 'vit', 'image-classification', 'transformers', 'mit', 7, 3, NULL,
    '2024-01-01 00:00:00', '2024-02-01 00:00:00', 12, 48, 8, 'indexed', NULL, '2024-03-01 00:00:00', '{"a":1}',
    '{"size":224}', '{"kind":"picture"}', 'head');
  INSERT INTO files VALUES ('acme/base', 'rev-1', 'model.safetensors', 48, 'sha', 'etag', 'xet');
  INSERT INTO tensors VALUES
    ('acme/base', 'rev-1', 'a.weight', 'F32', [2, 4], 32, 'hash-a', 'unit0', 'weight', [0], 0),
    ('acme/base', 'rev-1', 'head.weight', 'F32', [4], 16, NULL, NULL, NULL, NULL, 1);
  INSERT INTO blocks VALUES ('block-a', 'graph-a', 'weights-a', 32, 8, 100, [4]);
  INSERT INTO block_tensors VALUES ('block-a', 0, 'hash-a', 'weight');
  INSERT INTO model_blocks VALUES ('acme/base', 'rev-1', 0, 'unit0', 'block-a', 'prefix-a', 100, [4]);
  INSERT INTO runs VALUES (
    'run-1', '2024-03-02 00:00:00', '2024-03-02 00:01:00', 'acme/base', 'alsatian', 'linear', 1, 'cpu', 'pictures', 10,
    5, 1, 'done', '{}', '{}');
  INSERT INTO run_rounds VALUES ('run-1', 1, 1, 10, 0.5);
  INSERT INTO run_scores VALUES ('run-1', 'acme/base', 'rev-1', 1, 10, 0.75, 1, false);`;

/** What schema 2 added: the log of crawls, the places in listings and the frontier. */
const SCHEMA_2 = `${SCHEMA_1}
  CREATE TABLE crawls (
    crawl_id VARCHAR, started_at TIMESTAMP, finished_at TIMESTAMP, hub VARCHAR, args VARCHAR, outcome VARCHAR,
    reason VARCHAR, requests BIGINT, retries BIGINT, bytes_downloaded BIGINT, bytes_stored BIGINT, bytes_logical BIGINT,
    listed BIGINT, indexed BIGINT, carried BIGINT, metadata BIGINT, unchanged BIGINT, unrelated BIGINT,
    unsupported BIGINT, gated BIGINT, failed BIGINT, gone BIGINT, waiting BIGINT);
  CREATE TABLE listings (
    hub VARCHAR, listing VARCHAR, watermark TIMESTAMP, full_at TIMESTAMP, pass_started_at TIMESTAMP, pass_next VARCHAR,
    pass_is_full BOOLEAN, pass_newest TIMESTAMP, pass_listed BIGINT);
  CREATE TABLE frontier (
    scope VARCHAR, model_id VARCHAR, revision VARCHAR, family VARCHAR, found_by VARCHAR, last_modified TIMESTAMP,
    created_at TIMESTAMP, downloads BIGINT, likes BIGINT, gated VARCHAR, pipeline_tag VARCHAR, library VARCHAR,
    license VARCHAR, base_model VARCHAR, waits_for VARCHAR, tried_by VARCHAR);
  INSERT INTO crawls VALUES (
    'crawl-1', '2024-03-01 00:00:00', '2024-03-01 00:01:00', 'https://hub', '{}', 'done', NULL, 9, 1, 48, 32, 32, 1, 1,
    0, 0, 0, 0, 0, 0, 0, 0, 1);
  INSERT INTO listings VALUES (
    'https://hub', 'tag acme/base', '2024-02-01 00:00:00', '2024-03-01 00:00:00', NULL, NULL, NULL, NULL, NULL);
  INSERT INTO frontier VALUES (
    'acme/base', 'zoo/tuned', 'rev-2', 'acme/base', 'tag', '2024-02-02 00:00:00', NULL, 5, 0, NULL, NULL, NULL, 'mit',
    'acme/base', NULL, NULL);`;

const SCHEMAS = { 1: SCHEMA_1, 2: SCHEMA_2 } as const;

/** Puts a catalog into a home as an older version of the program left it: one model, one run and what its schema had. */
export async function makeOldCatalog(home: string, version: keyof typeof SCHEMAS): Promise<void> {
  await mkdir(join(home, "catalog"), { recursive: true });
  const instance = await DuckDBInstance.create(join(home, "catalog", "work.duckdb"));
  try {
    const connection = await instance.connect();
    await connection.run(`CREATE TABLE schema_version (version INTEGER)`);
    await connection.run(`INSERT INTO schema_version VALUES (${version})`);
    await connection.run(SCHEMAS[version]);
    connection.closeSync();
  } finally {
    instance.closeSync();
  }
}
