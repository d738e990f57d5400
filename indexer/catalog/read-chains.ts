import type { DuckDBConnection } from "@duckdb/node-api";
import { readRows } from "./read-rows.ts";
import type { ChainBlock } from "./records.ts";

/** The chains of models, each in order; models without one are left out. */
export async function readChains(
  connection: DuckDBConnection,
  modelIds: readonly string[],
): Promise<Map<string, ChainBlock[]>> {
  const rows = await readRows(
    connection,
    `SELECT model_id, position, name, block_id, prefix_id, graph_hash, weights_hash, b.bytes,
       c.flops_per_item, c.output_shape
     FROM model_blocks AS c JOIN blocks AS b USING (block_id)
     WHERE model_id IN (SELECT unnest($modelIds))
     ORDER BY model_id, position`,
    { modelIds },
  );
  const chains = new Map<string, ChainBlock[]>();
  for (const row of rows) {
    const model = row.text("model_id");
    const block: ChainBlock = {
      position: row.number("position"),
      name: row.text("name"),
      blockId: row.text("block_id"),
      prefixId: row.text("prefix_id"),
      graphHash: row.text("graph_hash"),
      weightsHash: row.text("weights_hash"),
      bytes: row.number("bytes"),
      flopsPerItem: row.number("flops_per_item"),
      outputShape: row.numbers("output_shape"),
    };
    const chain = chains.get(model);
    if (chain) chain.push(block);
    else chains.set(model, [block]);
  }
  return chains;
}
