import { relative, sep } from "node:path";
import { elementCount, type BlockGraph } from "../../crawler/export/graph.ts";
import { layoutWeights } from "../../crawler/export/weight-layout.ts";
import type { GraphWithWeights } from "../../crawler/export/write-onnx.ts";
import type { BlockStore } from "./block-store.ts";
import { readBytes } from "./read-bytes.ts";

/** A block of a chain, or the head behind it, which has no weights and so no id. */
export interface ChainLink {
  readonly name: string;
  readonly graphHash: string;
  readonly blockId: string | null;
}

/**
 * Weights below this stay inside the ONNX file: a batch norm's few values cost more as a mapping of their own, and
 * onnxruntime folds them anyway.
 */
const INLINE_BYTES = 4096;

/**
 * The graphs of a chain with references to the weights in the store, ready to be written as one ONNX file.
 * @param folder where that file will lie, as the store's folder or one below it sees it; the weights are referred to
 * from there
 * @param graphs those that were read before, by their hashes; takes those that are read now
 */
export async function storedChain(
  store: BlockStore,
  links: readonly ChainLink[],
  folder: string = store.folder,
  graphs = new Map<string, BlockGraph>(),
): Promise<GraphWithWeights[]> {
  const parts: GraphWithWeights[] = [];
  for (const [index, link] of links.entries()) {
    const graph = graphs.get(link.graphHash) ?? (await store.readGraph(link.graphHash));
    graphs.set(link.graphHash, graph);
    parts.push(storedGraph(store, link, graph, `b${index}.${link.name}`, folder));
  }
  return parts;
}

function storedGraph(
  store: BlockStore,
  { blockId }: ChainLink,
  graph: BlockGraph,
  name: string,
  folder: string,
): GraphWithWeights {
  const { slots } = layoutWeights(graph);
  const path = blockId === null ? "" : store.weightsPath(blockId);
  const location = relative(folder, path).split(sep).join("/");
  const read = (slot: number): Uint8Array => {
    const { offset, length } = slots[slot] ?? { offset: 0, length: 0 };
    return readBytes(path, offset, length);
  };
  return {
    name,
    graph,
    data: (slot) =>
      4 * elementCount(graph.slots[slot] ?? []) < INLINE_BYTES
        ? { kind: "inline", bytes: read(slot) }
        : { kind: "external", location, offset: 0, length: 0, ...slots[slot] },
    values: (slot) => new Float32Array(read(slot).buffer),
  };
}
