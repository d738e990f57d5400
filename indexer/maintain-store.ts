import { readFile } from "node:fs/promises";
import { inputDims, type ModelInput, type TensorInfo } from "../crawler/export/graph.ts";
import { inferGraph } from "../crawler/export/infer-graph.ts";
import { tokenizerHash } from "../crawler/text/canonical-tokenizer.ts";
import type { CatalogWriter } from "./catalog/catalog-writer.ts";
import type { IndexedChain } from "./catalog/read-indexed-chains.ts";
import { collectGarbage } from "./collect-garbage.ts";
import { graphHash } from "./hash-block.ts";
import type { BlockStore, BlockUse, NamedBlock } from "./store/block-store.ts";
import { checkBlock } from "./store/check-block.ts";
import { checkOrphan } from "./store/check-orphan.ts";
import type { StoreLease } from "./store/store-lease.ts";
import { removeTokenizer, tokenizerPath } from "./store/store-tokenizer.ts";

/** What a check of the store against the catalog found. */
export interface StoreReport {
  readonly blocks: number;
  readonly damaged: readonly { readonly block: string; readonly reason: string; readonly models: readonly string[] }[];
  /** Stored blocks that no model needs: with `verify` they were checked too. */
  readonly unneeded: number;
  /** Blocks whose files were removed because no model needs them. */
  readonly removed: number;
  readonly removedBytes: number;
  /** Blocks that no model needs and a running command may still read. */
  readonly deferred: number;
  /** Blocks whose ONNX file was written anew. */
  readonly rewritten: number;
}

export interface MaintainOptions {
  /** The caller publishes after the last change. */
  readonly writer: CatalogWriter;
  readonly store: BlockStore;
  /** The commands that read from the store now. */
  readonly leases: () => Promise<readonly StoreLease[]>;
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
 * Checks or renews what the store holds. What is damaged is removed, and the models that need it are marked failed: so
 * the next crawl reads them again and writes it again.
 */
export async function maintainStore(options: MaintainOptions): Promise<StoreReport> {
  const { writer, store, family, verify, collect, signal, onBlock } = options;
  const chains = await writer.indexedChains(family);
  const blocks = await listBlocks(chains, store);
  const maintenance = new Maintenance(options);
  for (const [index, block] of blocks.entries()) {
    signal?.throwIfAborted();
    await maintenance.block(block, verify || collect);
    onBlock?.(index + 1, blocks.length);
  }
  if (verify) for (const { model } of chains) await maintenance.rest(model);
  const unneeded = verify && family === undefined ? await maintenance.unneeded(blocks) : 0;
  const collected = collect ? await collectGarbage(options) : { removed: 0, removedBytes: 0, deferred: 0 };
  const { damaged, rewritten } = maintenance;
  return { blocks: blocks.length, damaged, unneeded, ...collected, rewritten };
}

interface CatalogBlock extends NamedBlock {
  readonly uses: readonly BlockUse[];
  readonly models: readonly string[];
}

class Maintenance {
  readonly damaged: { block: string; reason: string; models: readonly string[] }[] = [];
  rewritten = 0;
  readonly #options: MaintainOptions;

  constructor(options: MaintainOptions) {
    this.#options = options;
  }

  /** Checks a block that models need; its ONNX file follows from the rest, so it is mended on the spot. */
  async block(block: CatalogBlock, isCheck: boolean): Promise<void> {
    const { store } = this.#options;
    const { blockId, uses, models } = block;
    const reason = await checkBlock(store, block);
    if (reason !== null) {
      if (!(await this.#isGraphWhole(block.graphHash))) await store.removeGraph(block.graphHash);
      await store.remove(blockId);
      await this.#fail(blockId, reason, models);
      return;
    }
    const [use] = uses;
    if (!use || (isCheck && (await store.isOnnxWhole(block, uses)))) return;
    await store.rewriteOnnx(block, use);
    this.rewritten++;
  }

  /** Checks what a model needs besides its blocks: the graph of its head, and its tokenizer. */
  async rest({ modelId, headGraph, preprocessing }: IndexedChain["model"]): Promise<void> {
    const { store } = this.#options;
    if (headGraph !== null && !(await this.#isGraphWhole(headGraph))) {
      await store.removeGraph(headGraph);
      await this.#fail(headGraph, "the head's graph is damaged or missing", [modelId]);
    }
    const tokenizer = tokenizerOf(preprocessing);
    if (tokenizer === null) return;
    const text = await readFile(tokenizerPath(store.folder, tokenizer), "utf8").catch(() => null);
    if (text !== null && tokenizerHash(text) === tokenizer) return;
    await removeTokenizer(store.folder, tokenizer);
    await this.#fail(tokenizer, "the tokenizer is damaged or missing", [modelId]);
  }

  /** Checks stored blocks that no indexed model needs: a crawl that meets one again takes it for what its name says. */
  async unneeded(needed: readonly CatalogBlock[]): Promise<number> {
    const { store, writer, signal } = this.#options;
    const known = new Set(needed.map(({ blockId }) => blockId));
    const graphs = new Map((await writer.blocks()).map(({ blockId, graphHash: hash }) => [blockId, hash]));
    let count = 0;
    for await (const { blockId } of store.list()) {
      signal?.throwIfAborted();
      if (known.has(blockId)) continue;
      count++;
      if (!(await store.has(blockId))) continue; // weights of a write that was cut short: no block, and nobody's
      const hash = graphs.get(blockId);
      const reason =
        hash === undefined ? await checkOrphan(store, blockId) : await checkBlock(store, { blockId, graphHash: hash });
      if (reason === null) continue;
      await store.remove(blockId);
      await this.#fail(blockId, reason, []);
    }
    return count;
  }

  async #isGraphWhole(hash: string): Promise<boolean> {
    const graph = await this.#options.store.readGraph(hash).catch(() => null);
    return graph !== null && graphHash(graph) === hash;
  }

  async #fail(block: string, reason: string, models: readonly string[]): Promise<void> {
    this.damaged.push({ block, reason, models });
    for (const model of models) {
      await this.#options.writer.setStatus(model, { status: "failed", reason: `${block} is damaged: ${reason}` });
    }
  }
}

/** Every block that models need, with its uses in them. */
async function listBlocks(chains: readonly IndexedChain[], store: BlockStore): Promise<CatalogBlock[]> {
  const blocks = new Map<string, NamedBlock & { uses: BlockUse[]; models: string[] }>();
  for (const { model, chain } of chains) {
    const { modelId, input } = model;
    let info: TensorInfo = { dims: input === null ? [] : inputDims(JSON.parse(input) as ModelInput) };
    for (const { blockId, graphHash: hash, name, outputShape } of chain) {
      const block = blocks.get(blockId) ?? { blockId, graphHash: hash, uses: [], models: [] };
      blocks.set(blockId, block);
      block.models.push(modelId);
      const use = { name, input: info };
      if (!block.uses.some((other) => JSON.stringify(other) === JSON.stringify(use))) block.uses.push(use);
      const graph = await store.readGraph(hash).catch(() => null);
      info = graph ? inferGraph(graph, [info]).output : { dims: outputShape };
    }
  }
  return [...blocks.values()];
}

function tokenizerOf(preprocessing: string | null): string | null {
  const parsed: unknown = preprocessing === null ? null : JSON.parse(preprocessing);
  if (typeof parsed !== "object" || parsed === null || !("tokenizer" in parsed)) return null;
  return typeof parsed.tokenizer === "string" ? parsed.tokenizer : null;
}
