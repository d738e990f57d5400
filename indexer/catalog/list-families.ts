import type { DuckDBConnection } from "@duckdb/node-api";
import { readRows } from "./read-rows.ts";

/** A family of the catalog and how many of its models, the base among them, are in which state. */
export interface FamilySummary {
  /** The base's name without its org. */
  readonly family: string;
  readonly base: string;
  readonly models: number;
  readonly indexed: number;
  readonly unsupported: number;
  readonly gated: number;
  readonly failed: number;
  /** ISO time of the latest visit. */
  readonly crawledAt: string | null;
}

export async function listFamilies(connection: DuckDBConnection): Promise<FamilySummary[]> {
  const rows = await readRows(
    connection,
    `SELECT
       regexp_replace(family, '^.*/', '') AS name,
       family AS base,
       count(*) AS models,
       count(*) FILTER (status = 'indexed') AS indexed,
       count(*) FILTER (status = 'unsupported') AS unsupported,
       count(*) FILTER (status = 'gated') AS gated,
       count(*) FILTER (status = 'failed') AS failed,
       max(crawled_at) AS crawled_at
     FROM models WHERE family IS NOT NULL
     GROUP BY family
     ORDER BY name, base`,
  );
  return rows.map((row) => ({
    family: row.text("name"),
    base: row.text("base"),
    models: row.number("models"),
    indexed: row.number("indexed"),
    unsupported: row.number("unsupported"),
    gated: row.number("gated"),
    failed: row.number("failed"),
    crawledAt: row.maybeTime("crawled_at"),
  }));
}
