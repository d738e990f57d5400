import type { DuckDBConnection } from "@duckdb/node-api";
import { readChains } from "./read-chains.ts";
import { readRows } from "./read-rows.ts";

/** What kind of model the catalog holds the chain of, and the graphs of its blocks; undefined when it holds none. */
export async function readBackboneShape(
  connection: DuckDBConnection,
  modelId: string,
): Promise<{ modelType: string | null; graphs: string[] } | undefined> {
  const chain = (await readChains(connection, [modelId])).get(modelId);
  const [model] = await readRows(connection, "SELECT model_type FROM models WHERE model_id = $modelId", { modelId });
  if (!chain || !model) return undefined;
  return { modelType: model.maybeText("model_type"), graphs: chain.map(({ graphHash }) => graphHash) };
}
