import { open } from "node:fs/promises";
import ort from "onnxruntime-node";
import { writeOnnx } from "../../crawler/export/write-onnx.ts";
import type { BlockStore } from "../../indexer/store/block-store.ts";
import { storedChain } from "../../indexer/store/stored-chain.ts";
import { Account } from "../plan/account.ts";
import { assertNever, rangeLength, type ItemRange, type Plan, type Segment, type Step } from "../plan/step.ts";
import { FeatureError } from "../proxy/errors.ts";
import type { Proxy } from "../proxy/proxy.ts";
import { concatenateRows } from "./concatenate-rows.ts";
import type { FeatureStore } from "./feature-store.ts";
import { InterruptedError, type FeatureScore, type Runner } from "./runner.ts";

/** Preprocessed items of one preprocessing on disk: 8-bit pictures [channels, height, width], one after the other. */
export interface RootInputs {
  readonly path: string;
  readonly dims: readonly number[];
  readonly scale: readonly number[];
  readonly bias: readonly number[];
}

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
  readonly batches: readonly ort.Tensor[];
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
        await this.#timed("inference", () => this.#run(step.segment, step.from, step.to));
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
    const root = segment.root === null ? undefined : this.#options.roots.get(segment.root);
    const model = await writeSegment(store, segment, root);
    const session = await ort.InferenceSession.create(model, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      enableCpuMemArena: false,
      logSeverityLevel: 3,
      extra: {
        session: { model_external_initializers_file_folder_path: store.folder, intra_op: { allow_spinning: "0" } },
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
    const bytesPerItem = root.dims.reduce((product, dim) => product * dim, 1);
    const file = await open(root.path);
    const batches: ort.Tensor[] = [];
    try {
      for (const { begin, end } of batchesOf(items, this.#options.batchSize)) {
        const bytes = new Uint8Array((end - begin) * bytesPerItem);
        for (let item = begin; item < end; item++) {
          const row = this.#options.rows[item] ?? -1;
          const place = (item - begin) * bytesPerItem;
          const { bytesRead } = await file.read(bytes, place, bytesPerItem, row * bytesPerItem);
          if (bytesRead !== bytesPerItem) throw new Error(`${root.path} ends before picture ${row}; delete it`);
        }
        batches.push(new ort.Tensor("uint8", bytes, [end - begin, ...root.dims]));
      }
    } finally {
      await file.close();
    }
    this.#hold(slot, batches);
  }

  async #run(segment: string, from: string, to: string): Promise<void> {
    const session = this.#sessions.get(segment)?.session;
    const input = this.#results.get(from);
    if (!session || !input) throw new Error(`segment ${segment} or its input is not in memory`);
    const batches: ort.Tensor[] = [];
    for (const batch of input.batches) {
      if (this.#options.isInterrupted()) throw new InterruptedError();
      const output = (await session.run({ x: batch })).y;
      if (!output) throw new Error(`segment ${segment} has no output y`);
      batches.push(output);
    }
    this.#hold(to, batches);
  }

  async #keep({ feature, range, items, from }: Extract<Step, { kind: "keep" }>): Promise<void> {
    const result = this.#results.get(from);
    if (!result) throw new Error(`no feature in ${from}`);
    let begin = items.begin;
    for (const batch of result.batches) {
      const end = begin + (batch.dims[0] ?? 0);
      await this.#options.features.append(feature, range, { begin, end }, batch.data as Float32Array);
      begin = end;
    }
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

  #hold(slot: string, batches: readonly ort.Tensor[]): void {
    const bytes = batches.reduce((sum, batch) => sum + (batch.data as Float32Array | Uint8Array).byteLength, 0);
    this.#results.set(slot, { batches, bytes });
    this.account.take(bytes);
  }

  #release(slot: string): void {
    const result = this.#results.get(slot);
    if (!result) throw new Error(`${slot} holds nothing`);
    this.#results.delete(slot);
    for (const batch of result.batches) batch.dispose();
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

/** A segment as one ONNX graph, input `x`, output `y`; its weights stay in the store. */
async function writeSegment(store: BlockStore, segment: Segment, root: RootInputs | undefined): Promise<Uint8Array> {
  const info = segment.input;
  const input = root
    ? { value: { name: "x", type: "uint8" as const, dims: ["batch", ...root.dims] }, info, pixels: root }
    : { value: { name: "x", type: "float" as const, dims: ["batch", ...info.dims] }, info };
  const chain = await storedChain(store, segment.blocks);
  return writeOnnx(chain, { graphName: "segment", inputs: [input], outputName: "y" }).bytes;
}

function* batchesOf({ begin, end }: ItemRange, size: number): Generator<ItemRange> {
  for (let from = begin; from < end; from += size) yield { begin: from, end: Math.min(end, from + size) };
}
