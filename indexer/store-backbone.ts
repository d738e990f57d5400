import { DTYPE_BYTES, isFloat, toFloat32 } from "../crawler/checkpoint/dtype.ts";
import { tensorBytes, type Checkpoint, type CheckpointTensor } from "../crawler/checkpoint/open-checkpoint.ts";
import { CheckpointError, UnsupportedModelError } from "../crawler/errors.ts";
import { checkSha256 } from "../crawler/check-sha256.ts";
import { weightBytes } from "../crawler/export/weight-layout.ts";
import { fetchTensors } from "../crawler/fetch-tensors.ts";
import { elementCount, inputDims, type Backbone, type Block, type TensorInfo } from "../crawler/export/graph.ts";
import { inferGraph } from "../crawler/export/infer-graph.ts";
import type { Repository, RepositoryFile } from "../crawler/repository.ts";
import type { Evidence } from "./catalog/records.ts";
import type { KnownTensor, SlotSource } from "./evidence/known-tensor.ts";
import { blockId, graphHash, startTensorHash, weightsHash } from "./hash-block.ts";
import { planReads, type TensorSelection } from "./plan-reads.ts";
import { copySlot, damaged } from "./store/copy-slot.ts";
import type { BlockDraft, BlockStore, StoredBlock } from "./store/block-store.ts";

/** A backbone whose blocks are all in the store. */
export interface StoredBackbone {
  /** In chain order. */
  readonly blocks: readonly (StoredBlock & { readonly name: string })[];
  /** Every tensor whose hash is known, by name, and how. */
  readonly tensors: ReadonlyMap<string, { readonly hash: string; readonly evidence: Evidence }>;
  /** Bytes of the wanted tensors, by how their hashes are known. */
  readonly bytes: Readonly<Record<Evidence, number>>;
  /** Files whose bytes were all read, and have the hub's sha256. */
  readonly verified: ReadonlySet<string>;
}

export interface StoreBackboneOptions {
  readonly repository: Repository;
  readonly checkpoint: Checkpoint;
  readonly backbone: Backbone;
  /** As the repository lists them; files that are not among them are not read whole. */
  readonly files?: readonly RepositoryFile[];
  readonly store: BlockStore;
  readonly tensors: TensorSelection;
  /** Tensors that need not be read. */
  readonly known?: ReadonlyMap<string, KnownTensor>;
  /** Read every weight file whole, and compare it with the hub's sha256. */
  readonly verify?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Reads a backbone's weights, in the order of its files, into the store; each block is written once, whoever brings it.
 * What is known is not read, but copied within the store where a block is new. With `tensors: "all"` the rest of the
 * checkpoint is read and hashed too.
 * @throws UnsupportedModelError for weights that are not floats, CheckpointError when bytes are missing or wrong
 */
export async function storeBackbone(options: StoreBackboneOptions): Promise<StoredBackbone> {
  const { checkpoint, backbone, files = [], store, known = new Map(), verify = false, signal } = options;
  const targets = targetsOf(backbone);
  const plan = planReads({ checkpoint, backbone, files, tensors: options.tensors, known, verify });
  checkTypes(plan.wanted, targets);
  const sha256 = new Map(files.flatMap(({ path, sha256 }) => (sha256 !== null ? [[path, sha256] as const] : [])));
  const assembly = new Assembly(backbone, store, known);
  const tensors = new Map<string, { hash: string; evidence: Evidence }>();
  for (const [name, { hash, evidence }] of known) tensors.set(name, { hash, evidence });
  try {
    let hash = startTensorHash([]);
    const repository = checked(options.repository, plan.whole, sha256);
    for await (const { tensor, offset, bytes } of fetchTensors(repository, plan.ranges, signal)) {
      const float = isFloat(tensor.dtype);
      if (offset === 0) hash = startTensorHash(tensor.shape, float ? "F32" : tensor.dtype);
      const values = float ? bytesOf(toFloat32(tensor.dtype, bytes)) : bytes;
      hash.update(values);
      const element = offset / DTYPE_BYTES[tensor.dtype];
      for (const target of targets.get(tensor.name) ?? []) await assembly.write(target, element * 4, values);
      if (offset + bytes.byteLength === tensorBytes(tensor)) {
        tensors.set(tensor.name, { hash: hash.digest("hex"), evidence: "hash" });
      }
    }
    return {
      blocks: await assembly.finish(),
      tensors,
      bytes: countBytes(plan.wanted, tensors),
      verified: new Set([...plan.whole].filter((path) => sha256.has(path))),
    };
  } finally {
    await assembly.discard();
  }
}

/** The repository, with files that are read whole compared with their sha256. */
const checked = (
  repository: Repository,
  whole: ReadonlySet<string>,
  sha256: ReadonlyMap<string, string>,
): Pick<Repository, "readRange"> => ({
  readRange(path, begin, end, signal) {
    const bytes = repository.readRange(path, begin, end, signal);
    const expected = sha256.get(path);
    return begin === 0 && whole.has(path) && expected !== undefined
      ? checkSha256(bytes, { path, sha256: expected })
      : bytes;
  },
});

function countBytes(
  wanted: readonly CheckpointTensor[],
  tensors: ReadonlyMap<string, { readonly evidence: Evidence }>,
): Record<Evidence, number> {
  const bytes = { hash: 0, file: 0, xet: 0 };
  for (const tensor of wanted) bytes[tensors.get(tensor.name)?.evidence ?? "hash"] += tensorBytes(tensor);
  return bytes;
}

/** A slot that a tensor fills: the slot takes the bytes from `begin` to `end` of the tensor's float32 values. */
interface Target {
  readonly block: number;
  readonly slot: number;
  readonly begin: number;
  readonly end: number;
}

function targetsOf(backbone: Backbone): Map<string, Target[]> {
  const targets = new Map<string, Target[]>();
  backbone.blocks.forEach((block, index) =>
    block.tensors.forEach((tensor, slot) => {
      const begin = 4 * (tensor.offset ?? 0);
      const target = { block: index, slot, begin, end: begin + 4 * elementCount(tensor.shape) };
      const list = targets.get(tensor.name);
      if (list) list.push(target);
      else targets.set(tensor.name, [target]);
    }),
  );
  return targets;
}

function checkTypes(wanted: readonly CheckpointTensor[], targets: ReadonlyMap<string, Target[]>): void {
  const odd = wanted.find((tensor) => targets.has(tensor.name) && !isFloat(tensor.dtype));
  if (odd) throw new UnsupportedModelError(`quantised weights (${odd.dtype.toLowerCase()})`);
}

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** The blocks while their weights arrive: a draft from its first byte to its last, so that few are open at a time. */
class Assembly {
  readonly #backbone: Backbone;
  readonly #store: BlockStore;
  readonly #inputs: readonly TensorInfo[];
  readonly #drafts = new Map<number, BlockDraft>();
  /** Bytes of each block that have not arrived; those of known tensors do not arrive. */
  readonly #missing: number[];
  /** Of each block, where the store has the values of known tensors, by slot. */
  readonly #sources: readonly ReadonlyMap<number, SlotSource>[];
  readonly #done = new Map<number, StoredBlock>();

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

  /** Takes float32 bytes that start at byte `offset` of a tensor. */
  async write({ block, slot, begin, end }: Target, offset: number, values: Uint8Array): Promise<void> {
    const from = Math.max(begin, offset);
    const to = Math.min(end, offset + values.byteLength);
    if (to <= from) return;
    let draft = this.#drafts.get(block);
    if (!draft) this.#drafts.set(block, (draft = await this.#store.draft(this.#block(block).graph)));
    await draft.write(slot, from - begin, values.subarray(from - offset, to - offset));
    this.#missing[block] = (this.#missing[block] ?? 0) - (to - from);
    if (this.#missing[block] === 0) {
      this.#done.set(block, await this.#commit(block, draft));
      this.#drafts.delete(block);
    }
  }

  /** A block that has no bytes to arrive: it is in the store, or parts of others in the store make it up. */
  async #assembleKnown(index: number): Promise<StoredBlock> {
    const { graph } = this.#block(index);
    const tensorHashes = graph.slots.map((_, slot) => this.#sources[index]?.get(slot)?.hash);
    if (tensorHashes.every((hash) => hash !== undefined)) {
      const hashes = { graphHash: graphHash(graph), weightsHash: weightsHash(tensorHashes) };
      const id = blockId(hashes.graphHash, hashes.weightsHash);
      if (await this.#store.has(id)) {
        return { blockId: id, ...hashes, tensorHashes, bytes: weightBytes(graph), known: true };
      }
    }
    const draft = await this.#store.draft(graph); // also a block without weights, or with empty ones
    this.#drafts.set(index, draft);
    const stored = await this.#commit(index, draft);
    this.#drafts.delete(index);
    return stored;
  }

  /** Adds what the store has of a block, and puts it there. */
  async #commit(index: number, draft: BlockDraft): Promise<StoredBlock> {
    const block = this.#block(index);
    const sources = [...(this.#sources[index] ?? [])];
    for (const [, source] of sources) await copySlot(this.#store, source, block.graph, draft);
    const stored = await draft.commit(block.name, this.#inputs[index] ?? { dims: [] });
    const wrong = sources.find(([slot, { hash }]) => stored.tensorHashes[slot] !== hash);
    if (wrong) throw new CheckpointError(damaged(wrong[1].blockId));
    return stored;
  }

  async finish(): Promise<(StoredBlock & { name: string })[]> {
    const blocks = [];
    for (const [index, block] of this.#backbone.blocks.entries()) {
      let stored = this.#done.get(index);
      if (!stored && this.#missing[index] === 0) stored = await this.#assembleKnown(index);
      if (!stored)
        throw new CheckpointError(`block ${block.name}: ${this.#missing[index]} bytes of weights are missing`);
      blocks.push({ ...stored, name: block.name });
    }
    await this.#store.writeGraph(this.#backbone.head);
    return blocks;
  }

  async discard(): Promise<void> {
    for (const draft of this.#drafts.values()) await draft.discard();
    this.#drafts.clear();
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
