import { inputDims, type ModelInput, type TensorInfo } from "../crawler/export/graph.ts";
import { inferGraph } from "../crawler/export/infer-graph.ts";
import type { CatalogReader } from "./catalog/catalog-reader.ts";
import type { CatalogWriter } from "./catalog/catalog-writer.ts";
import { checkBlock } from "./store/check-block.ts";
import type { BlockStore } from "./store/block-store.ts";

/** What a check of the store against the catalog found. */
export interface StoreReport {
  readonly blocks: number;
  readonly damaged: readonly { readonly block: string; readonly reason: string; readonly models: readonly string[] }[];
  /** Blocks whose files were removed because no model needs them. */
  readonly removed: number;
  readonly removedBytes: number;
  /** Blocks whose ONNX file was written anew. */
  readonly rewritten: number;
}

export interface MaintainOptions {
  /** The published catalog; the caller publishes after the last change. */
  readonly reader: CatalogReader;
  readonly writer: CatalogWriter;
  readonly store: BlockStore;
  /** Only blocks of this family's models: full id of its base. */
  readonly family?: string | undefined;
  /** Hash every block. Without it the ONNX files are written anew from graphs and weights. */
  readonly verify: boolean;
  /** Remove blocks that no model needs. */
  readonly collect: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onBlock?: (done: number, total: number) => void;
}

/**
 * Checks or renews what the store holds. Models with a damaged block are marked failed, so that the next crawl reads
 * them again; the damaged files are removed, so that it writes them again.
 */
export async function maintainStore(options: MaintainOptions): Promise<StoreReport> {
  const { reader, writer, store, family, verify, collect, signal, onBlock } = options;
  const blocks = await listBlocks(reader, store, family);
  const damaged: { block: string; reason: string; models: string[] }[] = [];
  let rewritten = 0;
  for (const [index, block] of blocks.entries()) {
    signal?.throwIfAborted();
    const reason = await checkBlock(store, block);
    if (reason !== null) {
      damaged.push({ block: block.blockId, reason, models: block.models });
      await store.remove(block.blockId);
      for (const model of block.models) {
        await writer.setStatus(model, { status: "failed", reason: `block ${block.blockId} is damaged: ${reason}` });
      }
    } else if (!verify && !collect) {
      await store.rewriteOnnx(block, block.name, block.input);
      rewritten++;
    }
    onBlock?.(index + 1, blocks.length);
  }
  const { removed, removedBytes } = collect
    ? await removeUnused(writer, store, signal)
    : { removed: 0, removedBytes: 0 };
  return { blocks: blocks.length, damaged, removed, removedBytes, rewritten };
}

interface CatalogBlock {
  readonly blockId: string;
  readonly graphHash: string;
  readonly name: string;
  readonly input: TensorInfo;
  readonly models: string[];
}

/** Every block that models need, with the models that do. */
async function listBlocks(
  reader: CatalogReader,
  store: BlockStore,
  family: string | undefined,
): Promise<CatalogBlock[]> {
  const models = await reader.listModels({ status: "indexed", ...(family !== undefined && { families: [family] }) });
  const chains = await reader.chains(models.map(({ modelId }) => modelId));
  const blocks = new Map<string, CatalogBlock>();
  for (const { modelId, input } of models) {
    let info: TensorInfo = { dims: input === null ? [] : inputDims(JSON.parse(input) as ModelInput) };
    for (const { blockId, graphHash, name, outputShape } of chains.get(modelId) ?? []) {
      const known = blocks.get(blockId);
      if (known) known.models.push(modelId);
      else blocks.set(blockId, { blockId, graphHash, name, input: info, models: [modelId] });
      const graph = await store.readGraph(graphHash).catch(() => null);
      info = graph ? inferGraph(graph, [info]).output : { dims: outputShape };
    }
  }
  return [...blocks.values()];
}

/**
 * Removes files of blocks that the catalog does not know. The caller holds the catalog's writer, so no crawl adds any
 * meanwhile; a search runs on blocks that indexed models hold, which stay.
 */
async function removeUnused(writer: CatalogWriter, store: BlockStore, signal?: AbortSignal) {
  await writer.pruneBlocks();
  const known = await writer.blockIds();
  let removed = 0;
  let removedBytes = 0;
  for await (const { blockId, bytes } of store.list()) {
    signal?.throwIfAborted();
    if (known.has(blockId)) continue;
    await store.remove(blockId);
    removed++;
    removedBytes += bytes;
  }
  await store.removeTemporary();
  return { removed, removedBytes };
}
