import ort from "onnxruntime-node";
import { writeOnnx, type ChainInput, type GraphWithWeights } from "../../crawler/export/write-onnx.ts";
import type { BlockStore } from "../../indexer/store/block-store.ts";
import { storedChain } from "../../indexer/store/stored-chain.ts";
import { Account } from "../plan/account.ts";
import { assertNever, rangeLength, type ItemRange, type Plan, type Segment, type Step } from "../plan/step.ts";
import { FeatureError } from "../proxy/errors.ts";
import type { Proxy } from "../proxy/proxy.ts";
import { concatenateRows } from "./concatenate-rows.ts";
import type { FeatureStore } from "./feature-store.ts";
import { readInputs, type InputBatch, type RootInputs } from "./root-inputs.ts";
import { InterruptedError, type FeatureScore, type Runner } from "./runner.ts";

export interface OrtRunnerOptions {
  readonly store: BlockStore;
  readonly features: FeatureStore;
  readonly roots: ReadonlyMap<string, RootInputs>;
  readonly proxy: Proxy;
  /** Labels of all items of the search: training items in shuffled order, then the test set. */
  readonly labels: Int32Array;
  readonly classes: number;
  /** The row of each item in the prepared inputs, which are in the data set's own order. */
  readonly rows: Int32Array;
  readonly batchSize: number;
  readonly threads: number;
  readonly isInterrupted: () => boolean;
}

/** A result in memory: one tensor a batch. */
interface Result {
  readonly batches: readonly InputBatch[];
  readonly bytes: number;
}

interface LoadedSegment {
  readonly session: ort.InferenceSession;
  readonly bytes: number;
}

/** Performs plans with onnxruntime in this thread, which `run` blocks; `search-worker.ts` gives it a thread of its own. */
export class OrtRunner implements Runner {
  readonly account = new Account();
  readonly seconds = { data: 0, load: 0, inference: 0, proxy: 0 };
  readonly #options: OrtRunnerOptions;
  readonly #results = new Map<string, Result>();
  readonly #sessions = new Map<string, LoadedSegment>();

  constructor(options: OrtRunnerOptions) {
    this.#options = options;
  }

  async perform(step: Step, plan: Plan): Promise<FeatureScore | null> {
    switch (step.kind) {
      case "load":
        await this.#timed("load", () => this.#load(plan.segments[step.segment]));
        return null;
      case "unload":
        await this.#unload(step.segment);
        return null;
      case "input":
        await this.#timed("data", () => this.#input(step.root, step.items, step.to));
        return null;
      case "run":
        await this.#timed("inference", () => this.#run(step));
        return null;
      case "keep":
        await this.#timed("data", () => this.#keep(step));
        return null;
      case "release":
        this.#release(step.slot);
        return null;
      case "score":
        return this.#timed("proxy", () => this.#score(step));
      default:
        return assertNever(step);
    }
  }

  async close(): Promise<void> {
    for (const slot of [...this.#results.keys()]) this.#release(slot);
    for (const segment of [...this.#sessions.keys()]) await this.#unload(segment);
  }

  async #load(segment: Segment | undefined): Promise<void> {
    if (!segment) throw new Error("the plan has no such segment");
    const { store, threads } = this.#options;
    const root = this.#options.roots.get(segment.root);
    if (!root) throw new Error(`no preprocessed items for ${segment.root}`);
    const chain = await storedChain(store, segment.blocks);
    const model = writeSegment(chain, segment, root);
    const session = await ort.InferenceSession.create(model, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      enableCpuMemArena: false,
      logSeverityLevel: 3,
      extra: {
        session: {
          model_external_initializers_file_folder_path: store.folder,
          intra_op: { allow_spinning: "0" },
          ...(isConvolutional(chain) && { disable_prepacking: "1" }),
        },
      },
    });
    this.#sessions.set(segment.id, { session, bytes: segment.weightBytes });
    this.account.take(segment.weightBytes);
  }

  async #unload(segment: string): Promise<void> {
    const loaded = this.#sessions.get(segment);
    if (!loaded) throw new Error(`segment ${segment} is not loaded`);
    this.#sessions.delete(segment);
    await loaded.session.release();
    this.account.free(loaded.bytes);
  }

  async #input(key: string, items: ItemRange, slot: string): Promise<void> {
    const root = this.#options.roots.get(key);
    if (!root) throw new Error(`no preprocessed items for ${key}`);
    this.#hold(slot, await readInputs(root, items, this.#options.rows, this.#options.batchSize));
  }

  async #run({ segment, from, to, inputs }: Extract<Step, { kind: "run" }>): Promise<void> {
    const session = this.#sessions.get(segment)?.session;
    const input = this.#results.get(from);
    if (!session || !input) throw new Error(`segment ${segment} or its input is not in memory`);
    const others = session.inputNames.filter((name) => name !== "x");
    const roots = others.length > 0 ? this.#results.get(inputs) : undefined;
    const batches: InputBatch[] = [];
    for (const [index, { value, items }] of input.batches.entries()) {
      if (this.#options.isInterrupted()) throw new InterruptedError();
      const feeds: Record<string, ort.Tensor> = { x: value };
      for (const name of others) {
        const tensor = roots?.batches[index]?.further.get(name);
        if (!tensor) throw new Error(`segment ${segment} reads ${name}, which the items don't have`);
        feeds[name] = tensor;
      }
      const output = (await session.run(feeds)).y;
      if (!output) throw new Error(`segment ${segment} has no output y`);
      batches.push({ value: output, further: new Map(), items });
    }
    this.#hold(to, batches);
  }

  async #keep({ feature, range, items, from }: Extract<Step, { kind: "keep" }>): Promise<void> {
    const result = this.#results.get(from);
    if (!result) throw new Error(`no feature in ${from}`);
    const width = (result.batches[0]?.value.size ?? 0) / (result.batches[0]?.items.length ?? 1);
    const rows = new Float32Array(rangeLength(items) * width);
    for (const batch of result.batches) {
      const values = batch.value.data as Float32Array;
      batch.items.forEach((item, index) =>
        rows.set(values.subarray(index * width, (index + 1) * width), (item - items.begin) * width),
      );
    }
    await this.#options.features.append(feature, range, items, rows);
  }

  async #score({ feature, models, train, test }: Extract<Step, { kind: "score" }>): Promise<FeatureScore> {
    const { features, labels, classes, proxy } = this.#options;
    const items = train.reduce((sum, range) => sum + rangeLength(range), 0);
    const parts = [];
    for (const range of train) parts.push(await features.read(feature, range));
    const trainRows = concatenateRows(parts);
    const testRows = await features.read(feature, test);
    const bytes = trainRows.byteLength + testRows.byteLength;
    this.account.take(bytes);
    try {
      const { score } = await proxy.score({
        train: trainRows,
        trainLabels: Int32Array.from(train.flatMap(({ begin, end }) => [...labels.subarray(begin, end)])),
        test: testRows,
        testLabels: labels.subarray(test.begin, test.end),
        classes,
        dim: trainRows.length / items,
      });
      return { feature, models, score };
    } catch (cause) {
      if (!(cause instanceof FeatureError)) throw cause;
      return { feature, models, score: null, reason: cause.message };
    } finally {
      this.account.free(bytes);
    }
  }

  #hold(slot: string, batches: readonly InputBatch[]): void {
    const bytes = tensorsOf(batches).reduce((sum, { data }) => sum + (data as Float32Array).byteLength, 0);
    this.#results.set(slot, { batches, bytes });
    this.account.take(bytes);
  }

  #release(slot: string): void {
    const result = this.#results.get(slot);
    if (!result) throw new Error(`${slot} holds nothing`);
    this.#results.delete(slot);
    for (const tensor of tensorsOf(result.batches)) tensor.dispose();
    this.account.free(result.bytes);
  }

  async #timed<T>(part: keyof OrtRunner["seconds"], work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.seconds[part] += (performance.now() - start) / 1000;
    }
  }
}

/**
 * Whether a segment has convolutions and no matrix products. onnxruntime lays out the weights of convolutions when it
 * optimises the graph; packing them once more doubles the time to open the session and gains nothing (docs/performance.md).
 */
const isConvolutional = (chain: readonly GraphWithWeights[]): boolean =>
  chain.every(({ graph }) => graph.nodes.every(({ operator }) => operator !== "linear" && operator !== "attend"));

const tensorsOf = (batches: readonly InputBatch[]): ort.Tensor[] =>
  batches.flatMap(({ value, further }) => [value, ...further.values()]);

/** A segment as one ONNX graph, input `x`, output `y`; its weights stay in the store. */
function writeSegment(chain: readonly GraphWithWeights[], segment: Segment, root: RootInputs): Uint8Array {
  const names = new Set(chain.flatMap(({ graph }) => graph.inputs.slice(1)));
  const further = [...names].map((name) => tokenInput(name, segment.input.dims[0] ?? 0));
  return writeOnnx(chain, {
    graphName: "segment",
    inputs: [segmentInput(segment, root), ...further],
    outputName: "y",
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
