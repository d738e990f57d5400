import type { DuckDBConnection } from "@duckdb/node-api";
import { appendRows } from "./append-rows.ts";
import { readRows } from "./read-rows.ts";
import type { RunRecord } from "./records.ts";

const REPLACED = ["runs", "run_rounds", "run_scores"] as const;

/** Replaces all that the catalog holds of a run. Run it in a transaction. */
export async function putRun(connection: DuckDBConnection, run: RunRecord): Promise<void> {
  const id = run.runId;
  for (const table of REPLACED) await readRows(connection, `DELETE FROM ${table} WHERE run_id = $id`, { id });
  await appendRows(connection, "runs", [
    [
      ...[id, run.startedAt, run.finishedAt, run.family, run.strategy, run.proxy, run.seed, run.device, run.dataSet],
      ...[run.itemsTrain, run.itemsTest, run.models, run.status, run.args, run.cost],
    ],
  ]);
  await appendRows(
    connection,
    "run_rounds",
    run.rounds.map(({ round, models, items, seconds }) => [id, round, models, items, seconds]),
  );
  await appendRows(
    connection,
    "run_scores",
    run.scores.map(({ modelId, revision, round, items, score, rank, tied }) => [
      ...[id, modelId, revision, round, items, score, rank, tied],
    ]),
  );
}
