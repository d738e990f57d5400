import { CheckpointError } from "../crawler/errors.ts";
import { elementCount, inputDims, type Backbone, type Block, type TensorInfo } from "../crawler/export/graph.ts";
import { inferGraph } from "../crawler/export/infer-graph.ts";
import { weightBytes } from "../crawler/export/weight-layout.ts";
import type { KnownTensor, SlotSource } from "./evidence/known-tensor.ts";
import { blockId, graphHash, weightsHash } from "./hash-block.ts";
import { Backlog } from "./store/backlog.ts";
import type { BlockDraft, BlockStore, StoredBlock } from "./store/block-store.ts";
import { copySlot, damaged } from "./store/copy-slot.ts";
import type { SlotTarget } from "./tensor-targets.ts";

/** Bytes of weights that wait to be written, for each model. */
const MAX_WAITING_BYTES = 16 * 2 ** 20;
/** Blocks that are made durable at the same time: a disk does several as fast as one, and libuv has four threads. */
const MAX_COMMITS = 2;

/**
 * The blocks while their weights arrive: a draft from its first byte to its last, so that few are open at a time. Bytes
 * are hashed as they come; writing them and making blocks durable go on meanwhile. What is known does not arrive: it is
 * copied within the store when the rest of its block is there.
 */
export class BlockAssembly {
  readonly #backbone: Backbone;
  readonly #store: BlockStore;
  readonly #inputs: readonly TensorInfo[];
  readonly #drafts = new Map<number, Promise<BlockDraft>>();
  /** Bytes of each block that have not arrived; those of known tensors do not arrive. */
  readonly #missing: number[];
  /** Of each block, where the store has the values of known tensors, by slot. */
  readonly #sources: readonly ReadonlyMap<number, SlotSource>[];
  readonly #done = new Map<number, StoredBlock>();
  readonly #writes = new Backlog(MAX_WAITING_BYTES);
  readonly #commits = new Backlog(MAX_COMMITS);

  constructor(backbone: Backbone, store: BlockStore, known: ReadonlyMap<string, KnownTensor>) {
    this.#backbone = backbone;
    this.#store = store;
    this.#inputs = blockInputs(backbone);
    this.#sources = backbone.blocks.map(
      (block, index) => new Map(block.tensors.flatMap(({ name }) => [...(known.get(name)?.fills.get(index) ?? [])])),
    );
    this.#missing = backbone.blocks.map((block) =>
      block.tensors.reduce((sum, { name, shape }) => sum + (known.has(name) ? 0 : 4 * elementCount(shape)), 0),
    );
  }

  /**
   * Takes float32 bytes that start at byte `offset` of a tensor into all slots that it fills.
   * @param release called when the bytes are needed no more
   */
  async write(targets: readonly SlotTarget[], offset: number, values: Uint8Array, release: () => void): Promise<void> {
    const parts: {
      readonly target: SlotTarget;
      readonly draft: BlockDraft;
      readonly from: number;
      readonly to: number;
    }[] = [];
    for (const target of targets) {
      const from = Math.max(target.begin, offset);
      const to = Math.min(target.end, offset + values.byteLength);
      if (to > from) parts.push({ target, draft: await this.#draft(target.block), from, to });
    }
    await this.#writes.add(values.byteLength, async () => {
      await Promise.all(
        parts.map(({ target, draft, from, to }) =>
          draft.write(target.slot, from - target.begin, values.subarray(from - offset, to - offset)),
        ),
      );
      release();
    });
    for (const { target, from, to } of parts) {
      const { block } = target;
      const missing = (this.#missing[block] ?? 0) - (to - from);
      this.#missing[block] = missing;
      if (missing === 0) await this.#commits.add(1, () => this.#commit(block));
    }
  }

  /** Waits for all of it; blocks of which nothing had to arrive are made up from the store. */
  async finish(): Promise<(StoredBlock & { name: string })[]> {
    await this.#writes.finish();
    await this.#commits.finish();
    const blocks = [];
    for (const [index, block] of this.#backbone.blocks.entries()) {
      if (!this.#done.has(index) && this.#missing[index] === 0) await this.#assembleKnown(index);
      const stored = this.#done.get(index);
      if (!stored)
        throw new CheckpointError(`block ${block.name}: ${this.#missing[index]} bytes of weights are missing`);
      blocks.push({ ...stored, name: block.name });
    }
    await this.#store.writeGraph(this.#backbone.head);
    return blocks;
  }

  /** Waits for what is under way, and drops what is not complete. */
  async discard(): Promise<void> {
    await this.#writes.settle();
    await this.#commits.settle();
    for (const opening of this.#drafts.values()) await (await opening.catch(() => null))?.discard();
    this.#drafts.clear();
  }

  #draft(block: number): Promise<BlockDraft> {
    const known = this.#drafts.get(block);
    if (known) return known;
    const opening = this.#store.draft(this.#block(block).graph);
    this.#drafts.set(block, opening);
    return opening;
  }

  /** A block that has no bytes to arrive: it is in the store, or parts of others in the store make it up. */
  async #assembleKnown(index: number): Promise<void> {
    const { graph } = this.#block(index);
    const tensorHashes = graph.slots.map((_, slot) => this.#sources[index]?.get(slot)?.hash);
    if (tensorHashes.every((hash) => hash !== undefined)) {
      const hashes = { graphHash: graphHash(graph), weightsHash: weightsHash(tensorHashes) };
      const id = blockId(hashes.graphHash, hashes.weightsHash);
      if (await this.#store.has(id)) {
        this.#done.set(index, { blockId: id, ...hashes, tensorHashes, bytes: weightBytes(graph), known: true });
        return;
      }
    }
    await this.#commit(index); // also a block without weights, or with empty ones
  }

  /** Adds what the store has of a block, and puts it there. */
  async #commit(index: number): Promise<void> {
    const block = this.#block(index);
    const draft = await this.#draft(index);
    const sources = [...(this.#sources[index] ?? [])];
    for (const [, source] of sources) await copySlot(this.#store, source, block.graph, draft);
    const stored = await draft.commit(block.name, this.#inputs[index] ?? { dims: [] });
    this.#drafts.delete(index);
    const wrong = sources.find(([slot, { hash }]) => stored.tensorHashes[slot] !== hash);
    if (wrong) throw new CheckpointError(damaged(wrong[1].blockId));
    this.#done.set(index, stored);
  }

  #block(index: number): Block {
    const block = this.#backbone.blocks[index];
    if (!block) throw new RangeError(`no block ${index}`);
    return block;
  }
}

/** Shape of each block's input, for the backbone's own input size. */
export function blockInputs(backbone: Backbone): TensorInfo[] {
  let info: TensorInfo = { dims: inputDims(backbone.input) };
  return backbone.blocks.map((block) => {
    const input = info;
    info = inferGraph(block.graph, [input]).output;
    return input;
  });
}
