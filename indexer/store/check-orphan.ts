import { stat } from "node:fs/promises";
import { layoutWeights } from "../../crawler/export/weight-layout.ts";
import type { BlockStore } from "./block-store.ts";
import { checkBlock } from "./check-block.ts";

/**
 * Hashes a block that the store has and the catalog does not know, as a crawl that was killed leaves behind: its graph is
 * one of those in the store with room for just its weights.
 * @returns what is wrong with it, or null when it is what its id says
 */
export async function checkOrphan(store: BlockStore, blockId: string): Promise<string | null> {
  const size = (await stat(store.weightsPath(blockId)).catch(() => null))?.size;
  if (size === undefined) return "its weights are missing";
  for (const graphHash of await store.listGraphs()) {
    const graph = await store.readGraph(graphHash).catch(() => null);
    if (!graph || layoutWeights(graph).bytes !== size) continue;
    if ((await checkBlock(store, { blockId, graphHash })) === null) return null;
  }
  return "its weights fit no graph of the store by its id";
}
