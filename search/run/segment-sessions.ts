import ort from "onnxruntime-node";
import { elementCount, type BlockGraph } from "../../crawler/export/graph.ts";
import type { Precision } from "../../crawler/export/precision.ts";
import { takeWeightsAsInputs, type WeightInputGraph } from "../../crawler/export/weight-inputs.ts";
import { slotName, writeOnnx, type ChainInput, type GraphWithWeights } from "../../crawler/export/write-onnx.ts";
import type { BlockStore } from "../../indexer/store/block-store.ts";
import { storedChain } from "../../indexer/store/stored-chain.ts";
import type { Segment } from "../plan/step.ts";
import { probeBlockedLayout } from "./blocked-layout.ts";
import { sessionOn, type Device } from "../device/device.ts";
import type { BufferPool } from "./buffer-pool.ts";
import { placeWeights, type WeightPlacement, type WeightsJob } from "./read-weights.ts";
import type { RootInputs } from "./root-inputs.ts";
import { Thread } from "./thread.ts";
import type { FillJob } from "./weight-thread.ts";

export interface SessionOptions {
  readonly store: BlockStore;
  readonly roots: ReadonlyMap<string, RootInputs>;
  readonly threads: number;
  readonly device: Device;
  readonly precision: Precision;
  readonly pool: BufferPool;
  /** That fill buffers with weights which are inputs. Default: as many as `threads`, up to four. */
  readonly fillThreads?: number | undefined;
}

/** A segment that is ready to run. */
export interface OpenSegment {
  readonly session: ort.InferenceSession;
  /** Inputs that bring its weights. */
  readonly weights: Readonly<Record<string, ort.Tensor>>;
  release(): Promise<void>;
}

/** A session that serves every segment of one structure. */
interface SharedSession {
  readonly session: ort.InferenceSession;
  readonly blocks: readonly SharedBlock[];
}

interface SharedBlock {
  readonly name: string;
  readonly stored: BlockGraph;
  readonly taken: WeightInputGraph;
}

/** Sessions without weights take little; those used last are kept. */
const MOST_SHARED = 64;
/** That fill buffers with weights; more wait for memory. */
const MOST_THREADS = 4;

/**
 * Opens segments. One whose weights are constants gets a session of its own. One whose weights are inputs shares the
 * session of its structure, and its weights are read by a thread into a buffer of the pool.
 */
export class SegmentSessions {
  readonly #options: SessionOptions;
  readonly #shared = new Map<string, Promise<SharedSession>>();
  readonly #users = new Map<string, number>();
  readonly #threads: readonly Thread<FillJob, ArrayBuffer>[];
  #channels: Promise<number | null> | null = null;

  constructor(options: SessionOptions) {
    this.#options = options;
    // they start while this thread opens the first session, which takes one core
    this.#threads = Array.from(
      { length: options.fillThreads ?? Math.min(options.threads, MOST_THREADS) },
      () => new Thread(new URL("./weight-thread.js", import.meta.url)),
    );
  }

  async open(segment: Segment): Promise<OpenSegment> {
    // weights that are inputs would be cast in every run, and the blocked layout is float32
    if (segment.weights === "inputs" && this.#options.precision === "fp32") {
      this.#channels ??= probeBlockedLayout();
      const channels = await this.#channels;
      // without the blocked layout, convolutions would run several times slower than with constants
      if (channels !== null) return this.#openShared(segment, channels);
    }
    return this.#openAlone(segment);
  }

  async close(): Promise<void> {
    for (const thread of this.#threads) await thread.close();
    for (const shared of this.#shared.values()) {
      const opened = await shared.catch(() => null);
      await opened?.session.release();
    }
    this.#shared.clear();
  }

  async #openAlone(segment: Segment): Promise<OpenSegment> {
    const { store } = this.#options;
    const chain = await storedChain(store, segment.blocks);
    const isOnDevice = segment.on === "device";
    const session = await this.#create(
      this.#write(chain, segment),
      {
        model_external_initializers_file_folder_path: store.folder,
        ...(!isOnDevice && isConvolutional(chain) && { disable_prepacking: "1" }),
        // what the device cannot run shall be known, not run on the CPU operator by operator
        ...(isOnDevice && { disable_cpu_ep_fallback: "1" }),
      },
      isOnDevice ? sessionOn(this.#options.device, segment.stays) : {},
    );
    return { session, weights: {}, release: () => session.release() };
  }

  async #openShared(segment: Segment, channels: number): Promise<OpenSegment> {
    const { store, pool } = this.#options;
    const key = structureOf(segment);
    this.#users.set(key, (this.#users.get(key) ?? 0) + 1);
    const { session, blocks } = await this.#sharedSession(key, segment);
    const jobs = blocks.map(({ stored, taken }, index): WeightsJob => {
      const blockId = segment.blocks[index]?.blockId;
      return { path: blockId ? store.weightsPath(blockId) : "", stored, taken };
    });
    const placement = placeWeights(jobs, this.#threads.length);
    const buffers = await Promise.all(
      placement.bytes.map((_bytes, index) => this.#fill(index, placement, jobs, channels)),
    );
    const weights: Record<string, ort.Tensor> = {};
    for (const { block, slot, buffer, offset } of placement.slots) {
      const { name = "", taken } = blocks[block] ?? {};
      const shape = taken?.graph.slots[slot] ?? [];
      const values = new Float32Array(buffers[buffer] ?? new ArrayBuffer(0), offset, elementCount(shape));
      weights[slotName({ name }, slot)] = new ort.Tensor("float32", values, shape);
    }
    const release = (): Promise<void> => {
      for (const buffer of buffers) pool.give(buffer);
      this.#users.set(key, (this.#users.get(key) ?? 1) - 1);
      return Promise.resolve();
    };
    return { session, weights, release };
  }

  /** Lets a thread fill one of the buffers. */
  #fill(index: number, { slots, bytes }: WeightPlacement, blocks: readonly WeightsJob[], channels: number) {
    const thread = this.#threads[index];
    if (!thread) throw new Error(`there are ${this.#threads.length} threads to fill ${bytes.length} buffers`);
    const buffer = this.#options.pool.take(bytes[index] ?? 0);
    return thread.ask({ blocks, slots: slots.filter((slot) => slot.buffer === index), buffer, channels }, [buffer]);
  }

  async #sharedSession(key: string, segment: Segment): Promise<SharedSession> {
    const found = this.#shared.get(key);
    this.#shared.delete(key); // and to the end: the order is that of use
    const shared = found ?? this.#createShared(segment);
    this.#shared.set(key, shared);
    for (const [old, session] of this.#shared) {
      if (this.#shared.size <= MOST_SHARED) break;
      if ((this.#users.get(old) ?? 0) > 0) continue;
      this.#shared.delete(old);
      await (await session).session.release();
    }
    return shared;
  }

  async #createShared(segment: Segment): Promise<SharedSession> {
    const { store } = this.#options;
    const blocks: SharedBlock[] = [];
    for (const [index, { name, graphHash }] of segment.blocks.entries()) {
      const stored = await store.readGraph(graphHash);
      const taken = takeWeightsAsInputs(stored);
      if (!taken) throw new Error(`the weights of block ${name} cannot be inputs`);
      blocks.push({ name: `b${index}.${name}`, stored, taken });
    }
    const chain = blocks.map(({ name, taken }): GraphWithWeights => ({
      name,
      graph: taken.graph,
      data: () => ({ kind: "input" }),
      values: () => {
        throw new Error(`block ${name} reads weights that are inputs`);
      },
    }));
    return { session: await this.#create(this.#write(chain, segment), {}), blocks };
  }

  #write(chain: readonly GraphWithWeights[], segment: Segment): Uint8Array {
    const root = this.#options.roots.get(segment.root);
    if (!root) throw new Error(`no preprocessed items for ${segment.root}`);
    return writeSegment(chain, segment, root, this.#options.precision);
  }

  #create(
    model: Uint8Array,
    settings: Readonly<Record<string, string>>,
    provider: ort.InferenceSession.SessionOptions = {},
  ): Promise<ort.InferenceSession> {
    return ort.InferenceSession.create(model, {
      ...provider,
      intraOpNumThreads: this.#options.threads,
      interOpNumThreads: 1,
      enableCpuMemArena: false,
      logSeverityLevel: 3,
      extra: { session: { intra_op: { allow_spinning: "0" }, ...settings } },
    });
  }
}

/** What a graph follows from, the weights aside. */
const structureOf = ({ root, isFirst, input, blocks }: Segment): string =>
  JSON.stringify([isFirst && root, input.dims, input.grid, blocks.map(({ graphHash }) => graphHash)]);

/**
 * Whether a segment has convolutions and no matrix products. onnxruntime lays out the weights of convolutions when it
 * optimises the graph; packing them once more doubles the time to open the session and gains nothing (docs/performance.md).
 */
const isConvolutional = (chain: readonly GraphWithWeights[]): boolean =>
  chain.every(({ graph }) => graph.nodes.every(({ operator }) => operator !== "linear" && operator !== "attend"));

/** A segment as one ONNX graph, input `x`, output `y`. */
function writeSegment(
  chain: readonly GraphWithWeights[],
  segment: Segment,
  root: RootInputs,
  precision: Precision,
): Uint8Array {
  const names = new Set(chain.flatMap(({ graph }) => graph.inputs.slice(1)));
  const further = [...names].map((name) => tokenInput(name, segment.input.dims[0] ?? 0));
  return writeOnnx(chain, {
    graphName: "segment",
    inputs: [segmentInput(segment, root), ...further],
    outputName: "y",
    precision,
  }).bytes;
}

const tokenInput = (name: string, length: number): ChainInput => ({
  value: { name, type: "int64", dims: ["batch", "length"] },
  info: { dims: [length] },
});

function segmentInput({ isFirst, input }: Segment, root: RootInputs): ChainInput {
  if (root.kind === "pictures") {
    const dims = ["batch", ...input.dims];
    return isFirst
      ? { value: { name: "x", type: "uint8", dims }, info: input, pixels: root }
      : { value: { name: "x", type: "float", dims }, info: input };
  }
  // texts differ in length; what follows the tokens' axis is fixed
  const dims = ["batch", ...(isFirst || input.dims.length === 2 ? ["length", ...input.dims.slice(1)] : input.dims)];
  return { value: { name: "x", type: isFirst ? "int64" : "float", dims }, info: input };
}
