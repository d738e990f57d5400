import { DTYPE_BYTES, isFloat, toFloat32 } from "../crawler/checkpoint/dtype.ts";
import { tensorBytes, type Checkpoint, type CheckpointTensor } from "../crawler/checkpoint/open-checkpoint.ts";
import { CheckpointError, UnsupportedModelError } from "../crawler/errors.ts";
import { fetchTensors, planRanges, type TensorRange } from "../crawler/fetch-tensors.ts";
import { elementCount, inputDims, type Backbone, type Block, type TensorInfo } from "../crawler/export/graph.ts";
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
  const targets = targetsOf(backbone, checkpoint);
  const wanted = [...checkpoint.tensors.values()].filter(
    (tensor) => options.tensors === "all" || targets.has(tensor.name),
  );
  checkTypes(wanted, targets);
  const ranges = planRanges(wanted);
  const assembly = new Assembly(backbone, store);
  const tensorHashes = new Map<string, string>();
  const buffers = new BufferPool();

  const read = async (part: readonly TensorRange[], signal: AbortSignal): Promise<void> => {
    let hash = startTensorHash([]);
    for await (const { tensor, offset, bytes } of fetchTensors(repository, part, signal)) {
      const { slots, isWhole } = targets.get(tensor.name) ?? NOWHERE;
      const wide = isFloat(tensor.dtype) && tensor.dtype !== "F32";
      const buffer = wide ? buffers.take((4 * bytes.byteLength) / DTYPE_BYTES[tensor.dtype]) : null;
      const values = buffer ? bytesOf(toFloat32(tensor.dtype, bytes, buffer)) : bytes;
      if (!isWhole) {
        if (offset === 0) hash = startTensorHash(tensor.shape, isFloat(tensor.dtype) ? "F32" : tensor.dtype);
        hash.update(values);
        if (offset + bytes.byteLength === tensorBytes(tensor)) tensorHashes.set(tensor.name, hash.digest("hex"));
      }
      await assembly.write(slots, (offset / DTYPE_BYTES[tensor.dtype]) * 4, values, () => buffers.give(buffer));
    }
  };
  try {
    await forEachFile(ranges, read, options.signal);
    const blocks = await assembly.finish();
    for (const [name, { slots, isWhole }] of targets) {
      const hash = isWhole && blocks[slots[0]?.block ?? -1]?.tensorHashes[slots[0]?.slot ?? -1];
      if (hash) tensorHashes.set(name, hash);
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
}

/** Where a tensor goes. */
interface TensorTargets {
  readonly slots: readonly Target[];
  /** Whether the first slot takes the tensor as it is, so that its hash is the tensor's. */
  readonly isWhole: boolean;
}

const NOWHERE: TensorTargets = { slots: [], isWhole: false };

function targetsOf({ blocks }: Backbone, { tensors }: Checkpoint): Map<string, TensorTargets> {
  const targets = new Map<string, TensorTargets>();
  blocks.forEach((block, index) =>
    block.tensors.forEach(({ name, shape, offset = 0 }, slot) => {
      const begin = 4 * offset;
      const target = { block: index, slot, begin, end: begin + 4 * elementCount(shape) };
      const { slots, isWhole } = targets.get(name) ?? NOWHERE;
      const takesAll = offset === 0 && tensors.get(name)?.shape.join() === shape.join();
      if (takesAll && !isWhole) targets.set(name, { slots: [target, ...slots], isWhole: true });
      else targets.set(name, { slots: [...slots, target], isWhole });
    }),
  );
  return targets;
}

function checkTypes(wanted: readonly CheckpointTensor[], targets: ReadonlyMap<string, TensorTargets>): void {
  const odd = wanted.find((tensor) => targets.has(tensor.name) && !isFloat(tensor.dtype));
  if (odd) throw new UnsupportedModelError(`quantised weights (${odd.dtype.toLowerCase()})`);
}

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Chunks of a stream are below this when they are widened. */
const POOLED_BYTES = 1 << 20;

/** Memory for widened weights, used again and again: fresh memory costs the kernel more than the widening. */
class BufferPool {
  readonly #free: ArrayBuffer[] = [];

  take(bytes: number): ArrayBuffer {
    return bytes > POOLED_BYTES ? new ArrayBuffer(bytes) : (this.#free.pop() ?? new ArrayBuffer(POOLED_BYTES));
  }

  give(buffer: ArrayBuffer | null): void {
    if (buffer?.byteLength === POOLED_BYTES) this.#free.push(buffer);
  }
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

  /**
   * Takes float32 bytes that start at byte `offset` of a tensor into all slots that it fills.
   * @param release called when the bytes are needed no more
   */
  async write(targets: readonly Target[], offset: number, values: Uint8Array, release: () => void): Promise<void> {
    const parts: { readonly target: Target; readonly draft: BlockDraft; readonly from: number; readonly to: number }[] =
      [];
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
    for (const { target, draft, from, to } of parts) {
      const { block } = target;
      const missing = (this.#missing[block] ?? 0) - (to - from);
      this.#missing[block] = missing;
      if (missing === 0) await this.#commits.add(1, () => this.#commit(block, draft));
    }
  }

  #draft(block: number): Promise<BlockDraft> {
    const known = this.#drafts.get(block);
    if (known) return known;
    const opening = this.#store.draft(this.#block(block).graph);
    this.#drafts.set(block, opening);
    return opening;
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
