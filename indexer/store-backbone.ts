import { DTYPE_BYTES, float32Bytes, isFloat } from "../crawler/checkpoint/dtype.ts";
import { tensorBytes, type Checkpoint, type CheckpointTensor } from "../crawler/checkpoint/open-checkpoint.ts";
import { CheckpointError, UnsupportedModelError } from "../crawler/errors.ts";
import { fetchTensors, planRanges, type TensorRange } from "../crawler/fetch-tensors.ts";
import {
  elementCount,
  inputDims,
  type Backbone,
  type Block,
  type SlotShape,
  type TensorInfo,
} from "../crawler/export/graph.ts";
import { inferGraph } from "../crawler/export/infer-graph.ts";
import type { Repository } from "../crawler/repository.ts";
import { startTensorHash } from "./hash-block.ts";
import { Backlog } from "./store/backlog.ts";
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
  const { repository, checkpoint, backbone, store } = options;
  const targets = targetsOf(backbone);
  const wanted = [...checkpoint.tensors.values()].filter(
    (tensor) => options.tensors === "all" || targets.has(tensor.name),
  );
  checkTypes(wanted, targets);
  const ranges = planRanges(wanted);
  const assembly = new Assembly(backbone, store);
  const tensorHashes = new Map<string, string>();
  const isHashedByBlock = (tensor: CheckpointTensor) => targets.get(tensor.name)?.some((to) => isWhole(to, tensor));

  const read = async (part: readonly TensorRange[], signal: AbortSignal): Promise<void> => {
    let hash = startTensorHash([]);
    for await (const { tensor, offset, bytes } of fetchTensors(repository, part, signal)) {
      const float = isFloat(tensor.dtype);
      const values = float ? float32Bytes(tensor.dtype, bytes) : bytes;
      const element = offset / DTYPE_BYTES[tensor.dtype];
      for (const target of targets.get(tensor.name) ?? []) await assembly.write(target, element * 4, values);
      if (isHashedByBlock(tensor)) continue;
      if (offset === 0) hash = startTensorHash(tensor.shape, float ? "F32" : tensor.dtype);
      hash.update(values);
      if (offset + bytes.byteLength === tensorBytes(tensor)) tensorHashes.set(tensor.name, hash.digest("hex"));
    }
  };
  try {
    await forEachFile(ranges, read, options.signal);
    const blocks = await assembly.finish();
    for (const tensor of wanted) {
      const target = targets.get(tensor.name)?.find((to) => isWhole(to, tensor));
      const hash = target && blocks[target.block]?.tensorHashes[target.slot];
      if (hash !== undefined) tensorHashes.set(tensor.name, hash);
    }
    return {
      blocks,
      tensorHashes,
      bytesRead: ranges.reduce((sum, range) => sum + range.end - range.begin, 0),
      requests: ranges.length,
    };
  } finally {
    await assembly.discard();
  }
}

/** Weight files of one model that are read at the same time: enough for a network, few enough for its memory. */
const FILES_AT_A_TIME = 4;

/** Reads the ranges file by file, several files at the same time; the first failure stops the others. */
async function forEachFile(
  ranges: readonly TensorRange[],
  read: (part: readonly TensorRange[], signal: AbortSignal) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const waiting = [...new Set(ranges.map(({ file }) => file))];
  const readers = Array.from({ length: Math.min(FILES_AT_A_TIME, waiting.length) }, async () => {
    try {
      for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
        const part = ranges.filter((range) => range.file === file);
        await read(part, either);
      }
    } catch (cause) {
      stop.abort(cause); // only the first counts: the others fail because of it
    }
  });
  await Promise.all(readers);
  stop.signal.throwIfAborted();
}

/** A slot that a tensor fills: the slot takes the bytes from `begin` to `end` of the tensor's float32 values. */
interface Target {
  readonly block: number;
  readonly slot: number;
  readonly begin: number;
  readonly end: number;
  readonly shape: SlotShape;
}

function targetsOf(backbone: Backbone): Map<string, Target[]> {
  const targets = new Map<string, Target[]>();
  backbone.blocks.forEach((block, index) =>
    block.tensors.forEach((tensor, slot) => {
      const begin = 4 * (tensor.offset ?? 0);
      const { shape } = tensor;
      const target = { block: index, slot, begin, end: begin + 4 * elementCount(shape), shape };
      const list = targets.get(tensor.name);
      if (list) list.push(target);
      else targets.set(tensor.name, [target]);
    }),
  );
  return targets;
}

/** Whether a slot takes a tensor as it is, so that the hash of the one is that of the other. */
const isWhole = ({ begin, end, shape }: Target, tensor: CheckpointTensor): boolean =>
  begin === 0 && end === 4 * elementCount(tensor.shape) && shape.join() === tensor.shape.join();

function checkTypes(wanted: readonly CheckpointTensor[], targets: ReadonlyMap<string, Target[]>): void {
  const odd = wanted.find((tensor) => targets.has(tensor.name) && !isFloat(tensor.dtype));
  if (odd) throw new UnsupportedModelError(`quantised weights (${odd.dtype.toLowerCase()})`);
}

/** Bytes of weights that wait to be written, for each model. */
const MAX_WAITING_BYTES = 16 * 2 ** 20;
/** Blocks that are made durable at the same time: a disk does several as fast as one, and libuv has four threads. */
const MAX_COMMITS = 2;

/**
 * The blocks while their weights arrive: a draft from its first byte to its last, so that few are open at a time. Bytes
 * are hashed as they come; writing them and making blocks durable go on meanwhile.
 */
class Assembly {
  readonly #backbone: Backbone;
  readonly #store: BlockStore;
  readonly #inputs: readonly TensorInfo[];
  readonly #drafts = new Map<number, Promise<BlockDraft>>();
  readonly #missing: number[];
  readonly #done = new Map<number, StoredBlock>();
  readonly #writes = new Backlog(MAX_WAITING_BYTES);
  readonly #commits = new Backlog(MAX_COMMITS);

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
    let opening = this.#drafts.get(block);
    if (!opening) this.#drafts.set(block, (opening = this.#store.draft(this.#block(block).graph)));
    const draft = await opening;
    const part = values.subarray(from - offset, to - offset);
    await this.#writes.add(part.byteLength, () => draft.write(slot, from - begin, part));
    this.#missing[block] = (this.#missing[block] ?? 0) - part.byteLength;
    if (this.#missing[block] === 0) await this.#commits.add(1, () => this.#commit(block, draft));
  }

  async #commit(block: number, draft: BlockDraft): Promise<void> {
    this.#done.set(block, await draft.commit(this.#block(block).name, this.#inputs[block] ?? { dims: [] }));
    this.#drafts.delete(block);
  }

  async finish(): Promise<(StoredBlock & { name: string })[]> {
    await this.#writes.finish();
    await this.#commits.finish();
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
    await this.#writes.settle();
    await this.#commits.settle();
    for (const opening of this.#drafts.values()) await (await opening.catch(() => null))?.discard();
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
