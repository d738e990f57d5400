import { DTYPE_BYTES, isFloat, toFloat32 } from "../crawler/checkpoint/dtype.ts";
import { tensorBytes, type Checkpoint, type CheckpointTensor } from "../crawler/checkpoint/open-checkpoint.ts";
import { CheckpointError, UnsupportedModelError } from "../crawler/errors.ts";
import { fetchTensors, planRanges } from "../crawler/fetch-tensors.ts";
import { elementCount, inputDims, type Backbone, type Block, type TensorInfo } from "../crawler/export/graph.ts";
import { inferGraph } from "../crawler/export/infer-graph.ts";
import type { Repository } from "../crawler/repository.ts";
import { startTensorHash } from "./hash-block.ts";
import type { BlockDraft, BlockStore, StoredBlock } from "./store/block-store.ts";

/** A backbone whose blocks are all in the store. */
export interface StoredBackbone {
  /** In chain order. */
  readonly blocks: readonly (StoredBlock & { readonly name: string })[];
  /** Hash of every tensor whose bytes were read, by name. */
  readonly tensorHashes: ReadonlyMap<string, string>;
  /** Bytes of weights that were asked for. */
  readonly bytesRead: number;
  readonly requests: number;
}

export type TensorSelection = "backbone" | "all";

/**
 * Reads a backbone's weights, in the order of its files, into the store; each block is written once, whoever brings it.
 * With `tensors: "all"` the rest of the checkpoint is read and hashed too.
 * @throws UnsupportedModelError for weights that are not floats, CheckpointError when bytes are missing
 */
export async function storeBackbone(options: {
  readonly repository: Repository;
  readonly checkpoint: Checkpoint;
  readonly backbone: Backbone;
  readonly store: BlockStore;
  readonly tensors: TensorSelection;
  readonly signal?: AbortSignal;
}): Promise<StoredBackbone> {
  const { repository, checkpoint, backbone, store, signal } = options;
  const targets = targetsOf(backbone);
  const wanted = [...checkpoint.tensors.values()].filter(
    (tensor) => options.tensors === "all" || targets.has(tensor.name),
  );
  checkTypes(wanted, targets);
  const ranges = planRanges(wanted);
  const assembly = new Assembly(backbone, store);
  const tensorHashes = new Map<string, string>();
  try {
    let hash = startTensorHash([]);
    for await (const { tensor, offset, bytes } of fetchTensors(repository, ranges, signal)) {
      const float = isFloat(tensor.dtype);
      if (offset === 0) hash = startTensorHash(tensor.shape, float ? "F32" : tensor.dtype);
      const values = float ? bytesOf(toFloat32(tensor.dtype, bytes)) : bytes;
      hash.update(values);
      const element = offset / DTYPE_BYTES[tensor.dtype];
      for (const target of targets.get(tensor.name) ?? []) await assembly.write(target, element * 4, values);
      if (offset + bytes.byteLength === tensorBytes(tensor)) tensorHashes.set(tensor.name, hash.digest("hex"));
    }
    return {
      blocks: await assembly.finish(),
      tensorHashes,
      bytesRead: ranges.reduce((sum, range) => sum + range.end - range.begin, 0),
      requests: ranges.length,
    };
  } finally {
    await assembly.discard();
  }
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
  readonly #missing: number[];
  readonly #done = new Map<number, StoredBlock>();

  constructor(backbone: Backbone, store: BlockStore) {
    this.#backbone = backbone;
    this.#store = store;
    this.#inputs = blockInputs(backbone);
    this.#missing = backbone.blocks.map((block) =>
      block.tensors.reduce((sum, tensor) => sum + 4 * elementCount(tensor.shape), 0),
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
      this.#done.set(block, await draft.commit(this.#block(block).name, this.#inputs[block] ?? { dims: [] }));
      this.#drafts.delete(block);
    }
  }

  async finish(): Promise<(StoredBlock & { name: string })[]> {
    const blocks = [];
    for (const [index, block] of this.#backbone.blocks.entries()) {
      let stored = this.#done.get(index);
      if (!stored && this.#missing[index] === 0) {
        const draft = await this.#store.draft(block.graph); // a block without weights, or with empty ones
        stored = await draft.commit(block.name, this.#inputs[index] ?? { dims: [] });
      }
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
