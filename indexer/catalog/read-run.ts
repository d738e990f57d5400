import type { DuckDBConnection } from "@duckdb/node-api";
import { readRows } from "./read-rows.ts";
import type { RunRecord, RunStatus } from "./records.ts";

const STATUSES: readonly RunStatus[] = ["running", "done", "failed", "interrupted"];

/** A run with its rounds and scores. */
export async function readRun(connection: DuckDBConnection, id: string): Promise<RunRecord | undefined> {
  const [run] = await readRows(connection, "SELECT * FROM runs WHERE run_id = $id", { id });
  if (!run) return undefined;
  const rounds = await readRows(connection, "SELECT * FROM run_rounds WHERE run_id = $id ORDER BY round", { id });
  const scores = await readRows(
    connection,
    "SELECT * FROM run_scores WHERE run_id = $id ORDER BY round, rank NULLS LAST, model_id",
    { id },
  );
  return {
    runId: run.text("run_id"),
    startedAt: run.maybeTime("started_at") ?? "",
    finishedAt: run.maybeTime("finished_at"),
    family: run.maybeText("family"),
    strategy: run.text("strategy"),
    proxy: run.text("proxy"),
    seed: run.number("seed"),
    device: run.text("device"),
    dataSet: run.text("data_set"),
    itemsTrain: run.number("items_train"),
    itemsTest: run.number("items_test"),
    models: run.number("models"),
    status: STATUSES.find((status) => status === run.text("status")) ?? "failed",
    args: run.maybeText("args"),
    cost: run.maybeText("cost"),
    rounds: rounds.map((row) => ({
      round: row.number("round"),
      models: row.number("models"),
      items: row.number("items"),
      seconds: row.number("seconds"),
    })),
    scores: scores.map((row) => ({
      modelId: row.text("model_id"),
      revision: row.text("revision"),
      round: row.number("round"),
      items: row.number("items"),
      score: row.number("score"),
      rank: row.maybeNumber("rank"),
      tied: row.boolean("tied"),
    })),
  };
}
