import type { DuckDBConnection } from "@duckdb/node-api";
import { listModels } from "./list-models.ts";
import { readChains } from "./read-chains.ts";
import type { CatalogModel, ChainBlock } from "./records.ts";

/** An indexed model and its chain. */
export interface IndexedChain {
  readonly model: CatalogModel;
  readonly chain: readonly ChainBlock[];
}

/** Models and their chains, of a family (full id of its base) or all. */
export async function readIndexedChains(
  connection: DuckDBConnection,
  family: string | undefined,
): Promise<IndexedChain[]> {
  const query = { status: "indexed", ...(family !== undefined && { families: [family] }) } as const;
  const models = await listModels(connection, query);
  const ids = models.map(({ modelId }) => modelId);
  const chains = await readChains(connection, ids);
  return models.map((model) => ({ model, chain: chains.get(model.modelId) ?? [] }));
}
