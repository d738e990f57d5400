import type { DuckDBConnection } from "@duckdb/node-api";
import { appendRows } from "./append-rows.ts";
import { readRows } from "./read-rows.ts";
import { CRAWL_COUNTS, type CrawlOutcome, type CrawlRecord } from "./records.ts";

/** Replaces a crawl's line in the log. Run it in a transaction. */
export async function putCrawl(connection: DuckDBConnection, crawl: CrawlRecord): Promise<void> {
  await readRows(connection, `DELETE FROM crawls WHERE crawl_id = $id`, { id: crawl.crawlId });
  const { downloaded, stored, logical } = crawl.bytes;
  await appendRows(connection, "crawls", [
    [
      ...[crawl.crawlId, crawl.startedAt, crawl.finishedAt, crawl.hub, crawl.args, crawl.outcome, crawl.reason],
      ...[crawl.requests, crawl.retries, downloaded, stored, logical],
      ...CRAWL_COUNTS.map((count) => crawl.models[count]),
      crawl.waiting,
    ],
  ]);
}

/** Notes that crawls which still count as running were killed. Only for who holds the catalog: then none is running. */
export async function closeKilledCrawls(connection: DuckDBConnection): Promise<void> {
  await readRows(connection, `UPDATE crawls SET outcome = 'killed' WHERE outcome = 'running'`);
}

/** When the last crawl ended that read all it set out to, with or without models that failed; null before the first. */
export async function lastSuccess(connection: DuckDBConnection): Promise<string | null> {
  const sql = `SELECT max(finished_at) AS at FROM crawls WHERE outcome IN ('done', 'partly')`;
  const [row] = await readRows(connection, sql);
  return row?.maybeTime("at") ?? null;
}

export async function readLatestCrawl(connection: DuckDBConnection): Promise<CrawlRecord | undefined> {
  const [row] = await readRows(connection, `SELECT * FROM crawls ORDER BY started_at DESC, crawl_id DESC LIMIT 1`);
  if (!row) return undefined;
  const counts = CRAWL_COUNTS.map((count) => [count, row.number(count)] as const);
  return {
    crawlId: row.text("crawl_id"),
    startedAt: row.maybeTime("started_at") ?? "",
    finishedAt: row.maybeTime("finished_at"),
    hub: row.text("hub"),
    args: row.text("args"),
    outcome: OUTCOMES.find((outcome) => outcome === row.text("outcome")) ?? "failed",
    reason: row.maybeText("reason"),
    requests: row.number("requests"),
    retries: row.number("retries"),
    bytes: {
      downloaded: row.number("bytes_downloaded"),
      stored: row.number("bytes_stored"),
      logical: row.number("bytes_logical"),
    },
    models: Object.fromEntries(counts) as CrawlRecord["models"],
    waiting: row.number("waiting"),
  };
}

const OUTCOMES: readonly CrawlOutcome[] = ["running", "done", "partly", "failed", "interrupted", "killed"];
