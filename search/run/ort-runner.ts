import type ort from "onnxruntime-node";
import type { TensorInfo } from "../../crawler/export/graph.ts";
import type { Precision } from "../../crawler/export/precision.ts";
import type { BlockStore } from "../../indexer/store/block-store.ts";
import { Account } from "../plan/account.ts";
import { assertNever, rangeLength, type Plan, type Segment, type Step } from "../plan/step.ts";
import { BufferPool } from "./buffer-pool.ts";
import type { FeatureStore } from "./feature-store.ts";
import { writeToDisk, writeToMemory, type Result } from "./result.ts";
import { readInputs, type RootInputs } from "./root-inputs.ts";
import { InterruptedError, type FeatureScore, type Runner } from "./runner.ts";
import type { ScoreJob } from "./score-features.ts";
import { SegmentSessions, type OpenSegment } from "./segment-sessions.ts";

export interface OrtRunnerOptions {
  readonly store: BlockStore;
  readonly features: FeatureStore;
  readonly roots: ReadonlyMap<string, RootInputs>;
  /** Scores kept features, beside what the runner does meanwhile. */
  readonly score: (job: ScoreJob) => Promise<FeatureScore>;
  /** The row of each item in the prepared inputs, which are in the data set's own order. */
  readonly rows: Int32Array;
  readonly batchSize: number;
  readonly threads: number;
  readonly precision: Precision;
  /** Most bytes of buffers that wait to be used again, together with those in use. */
  readonly budgetBytes: number;
  /** Where results lie that memory has no room for, as long as they are needed. */
  readonly spillFolder: string;
  readonly isInterrupted: () => boolean;
  /** Resolves when the items of a root are prepared up to (without) this place. */
  readonly whenPrepared?: (root: string, end: number) => Promise<void>;
}

interface LoadedSegment {
  readonly bytes: number;
  readonly open: OpenSegment;
}

type RunStep = Extract<Step, { kind: "run" }>;

/** Performs plans with onnxruntime in this thread, which `run` blocks; `search-process.ts` gives it a process of its own. */
export class OrtRunner implements Runner {
  readonly account = new Account();
  readonly seconds = { data: 0, load: 0, inference: 0, proxy: 0 };
  readonly #options: OrtRunnerOptions;
  readonly #pool: BufferPool;
  readonly #sessions: SegmentSessions;
  readonly #results = new Map<string, Result>();
  readonly #segments = new Map<string, LoadedSegment>();
  readonly #scores = new Map<string, { readonly bytes: number; readonly score: Promise<FeatureScore> }>();

  constructor(options: OrtRunnerOptions) {
    this.#options = options;
    this.#pool = new BufferPool(options.budgetBytes);
    this.#sessions = new SegmentSessions({ ...options, pool: this.#pool });
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
        await this.#timed("data", () => this.#input(step));
        return null;
      case "run":
        await this.#run(step, plan.segments[step.segment]);
        return null;
      case "keep":
        await this.#timed("data", () => this.#keep(step));
        return null;
      case "release":
        this.#release(step.slot);
        return null;
      case "score":
        this.#score(step);
        return null;
      case "scored":
        return this.#timed("proxy", () => this.#scored(step.feature));
      default:
        return assertNever(step);
    }
  }

  async close(): Promise<void> {
    for (const feature of [...this.#scores.keys()]) await this.#scored(feature).catch(() => undefined);
    for (const slot of [...this.#results.keys()]) this.#release(slot);
    for (const segment of [...this.#segments.keys()]) await this.#unload(segment);
    await this.#sessions.close();
  }

  async #load(segment: Segment | undefined): Promise<void> {
    if (!segment) throw new Error("the plan has no such segment");
    // not beside a run: threads that lay out weights would take the cores from inference, which waits in every operator
    const open = await this.#sessions.open(segment);
    this.#segments.set(segment.id, { open, bytes: segment.weightBytes });
    this.account.take(segment.weightBytes);
  }

  async #unload(segment: string): Promise<void> {
    const loaded = this.#segments.get(segment);
    if (!loaded) throw new Error(`segment ${segment} is not loaded`);
    this.#segments.delete(segment);
    this.account.free(loaded.bytes);
    await loaded.open.release();
  }

  async #input({ root: key, items, to, place }: Extract<Step, { kind: "input" }>): Promise<void> {
    const { roots, rows, batchSize, whenPrepared } = this.#options;
    const root = roots.get(key);
    if (!root) throw new Error(`no preprocessed items for ${key}`);
    await whenPrepared?.(key, items.end);
    this.#hold(to, readInputs(root, { items, rows, batchSize, place, pool: this.#pool }));
  }

  async #run(step: RunStep, segment: Segment | undefined): Promise<void> {
    const loaded = this.#segments.get(step.segment);
    if (!segment || !loaded) throw new Error(`segment ${step.segment} is not loaded`);
    await this.#timed("inference", () => this.#runBatches(step, segment, loaded.open));
  }

  async #runBatches({ from, to, inputs, bytes, place }: RunStep, segment: Segment, open: OpenSegment): Promise<void> {
    const input = this.#results.get(from);
    if (!input) throw new Error(`${from}, which segment ${segment.id} reads, is not there`);
    const { session, weights } = open;
    const others = session.inputNames.filter((name) => name !== "x" && !(name in weights));
    const roots = others.length > 0 ? this.#results.get(inputs) : undefined;
    const writer =
      place === "memory"
        ? writeToMemory(this.#pool, bytes, input.batches)
        : writeToDisk(this.#pool, bytes, input.batches, this.#options.spillFolder);
    try {
      for (const [index, { items, length }] of input.batches.entries()) {
        if (this.#options.isInterrupted()) throw new InterruptedError();
        const feeds: Record<string, ort.Tensor> = { x: input.value(index), ...weights };
        for (const name of others) {
          const tensor = roots?.further(index, name);
          if (!tensor) throw new Error(`segment ${segment.id} reads ${name}, which the items don't have`);
          feeds[name] = tensor;
        }
        await session.run(feeds, { y: writer.next([items.length, ...outputDims(segment.output, length)]) });
        writer.commit();
        await new Promise(setImmediate); // messages come in
      }
    } catch (cause) {
      writer.abandon();
      throw cause;
    }
    this.#hold(to, writer.finish());
  }

  async #keep({ feature, range, items, from }: Extract<Step, { kind: "keep" }>): Promise<void> {
    const result = this.#results.get(from);
    if (!result) throw new Error(`no feature in ${from}`);
    let rows = new Float32Array(0);
    result.batches.forEach((batch, at) => {
      const value = result.value(at);
      const values = value.data as Float32Array;
      const width = value.size / batch.items.length;
      if (rows.length === 0) rows = new Float32Array(rangeLength(items) * width);
      batch.items.forEach((item, index) => {
        if (item < items.begin || item >= items.end) return;
        rows.set(values.subarray(index * width, (index + 1) * width), (item - items.begin) * width);
      });
    });
    await this.#options.features.append(feature, range, items, rows);
  }

  #score({ feature, models, train, test, bytes }: Extract<Step, { kind: "score" }>): void {
    const score = this.#options.score({ feature, models, train, test });
    score.catch(() => undefined); // the step that waits for it sees why
    this.#scores.set(feature, { bytes, score });
    this.account.take(bytes);
  }

  async #scored(feature: string): Promise<FeatureScore> {
    const pending = this.#scores.get(feature);
    if (!pending) throw new Error(`feature ${feature} is not being scored`);
    try {
      return await pending.score;
    } finally {
      this.#scores.delete(feature);
      this.account.free(pending.bytes);
    }
  }

  #hold(slot: string, result: Result): void {
    this.#results.set(slot, result);
    this.account.take(result.bytes);
  }

  #release(slot: string): void {
    const result = this.#results.get(slot);
    if (!result) throw new Error(`${slot} holds nothing`);
    this.#results.delete(slot);
    result.release();
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

/** Shape of an item's result, where texts differ in length. @param length tokens of the batch; null for pictures */
const outputDims = ({ dims }: TensorInfo, length: number | null): readonly number[] =>
  length !== null && dims.length === 2 ? [length, ...dims.slice(1)] : dims;
