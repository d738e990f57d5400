import type ort from "onnxruntime-node";
import type { Precision } from "../../crawler/export/precision.ts";
import type { BlockStore } from "../../indexer/store/block-store.ts";
import type { Device } from "../device/device.ts";
import { Account } from "../plan/account.ts";
import {
  assertNever,
  memoryOf,
  type LoadedSegment,
  type Memory,
  type Plan,
  type Segment,
  type Step,
} from "../plan/step.ts";
import { BufferPool, movingBuffer } from "./buffer-pool.ts";
import type { Lanes } from "./lanes.ts";
import { leaveOnDevice } from "./device-result.ts";
import { DeviceCopies } from "./device-copies.ts";
import { FeatureRows } from "./feature-rows.ts";
import type { FeatureStore } from "./feature-store.ts";
import { PendingScores } from "./pending-scores.ts";
import { writeToDisk, writeToMemory, type Result, type ResultWriter } from "./result.ts";
import { readInputs } from "./read-inputs.ts";
import type { RootInputs } from "./root-inputs.ts";
import { DeviceError } from "./run-failure.ts";
import { InterruptedError, type FeatureScore, type Runner } from "./runner.ts";
import { outputDims } from "./segment-graph.ts";
import { openSession } from "./open-session.ts";

export interface OrtRunnerOptions {
  readonly store: BlockStore;
  readonly features: FeatureStore;
  readonly roots: ReadonlyMap<string, RootInputs>;
  /** Score kept features, beside what the runner does meanwhile. */
  readonly lanes: Lanes;
  /** The row of each item in the prepared inputs, which are in the data set's own order. */
  readonly rows: Int32Array;
  readonly threads: number;
  /** What segments that are not for the CPU run on. */
  readonly device: Device;
  readonly precision: Precision;
  /** Most bytes of buffers that wait to be used again, together with those in use. */
  readonly budgetBytes: number;
  /** Where results lie that memory has no room for, as long as they are needed. */
  readonly spillFolder: string;
  readonly isInterrupted: () => boolean;
  /** Called after every batch. */
  readonly onBatch?: () => void;
  /** Resolves when the items of a root are prepared up to (without) this place. */
  readonly whenPrepared?: (root: string, end: number) => Promise<void>;
}

interface Loaded extends LoadedSegment {
  readonly session: Promise<ort.InferenceSession>;
}

interface Held {
  readonly result: Result;
  readonly memory: Memory;
}

type RunStep = Extract<Step, { kind: "run" }>;
type LoadStep = Extract<Step, { kind: "load" }>;
type InputStep = Extract<Step, { kind: "input" }>;

/**
 * Performs plans on a device, with onnxruntime in this thread, which `run` blocks; `search-process.ts` gives it a process of
 * its own. Blocks that are not for the device run on all cores of the CPU.
 */
export class OrtRunner implements Runner {
  readonly account = new Account();
  readonly seconds = { data: 0, load: 0, inference: 0, proxy: 0 };
  readonly #options: OrtRunnerOptions;
  readonly #pool: BufferPool;
  readonly #copies: DeviceCopies;
  readonly #results = new Map<string, Held>();
  readonly #segments = new Map<string, Loaded>();
  readonly #scores = new PendingScores(this.account);

  constructor(options: OrtRunnerOptions) {
    this.#options = options;
    this.#pool = new BufferPool(options.budgetBytes, movingBuffer);
    this.#copies = new DeviceCopies(options.device);
  }

  async perform(step: Step, plan: Plan): Promise<FeatureScore | null> {
    switch (step.kind) {
      case "load":
        await this.#timed("load", () => this.#load(step, plan.segments[step.segment]));
        return null;
      case "unload":
        await this.#unload(step.segment);
        return null;
      case "input":
        await this.#timed("data", () => this.#input(step, plan));
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
        return this.#timed("proxy", () => this.#scores.end(step.feature));
      default:
        return assertNever(step);
    }
  }

  settle(): Promise<void> {
    return Promise.resolve(); // steps are done one after the other
  }

  async close(): Promise<void> {
    await this.#scores.close();
    for (const slot of [...this.#results.keys()]) this.#release(slot);
    for (const segment of [...this.#segments.keys()]) await this.#unload(segment);
    await this.#copies.close();
  }

  async #load({ beside }: LoadStep, segment: Segment | undefined): Promise<void> {
    if (!segment) throw new Error("the plan has no such segment");
    const { id, on, weightBytes } = segment;
    const session = this.#onDevice(segment, () => openSession(segment, this.#options));
    session.catch(() => undefined); // the step that waits for it sees why
    if (!beside) await session;
    this.#segments.set(id, { segment: id, memory: on, bytes: weightBytes, session });
    this.account.take(weightBytes, on);
  }

  async #unload(segment: string): Promise<void> {
    const loaded = this.#segments.get(segment);
    if (!loaded) throw new Error(`segment ${segment} is not loaded`);
    this.#segments.delete(segment);
    this.account.free(loaded.bytes, loaded.memory);
    const session = await loaded.session.catch(() => null); // what did not load has nothing to free
    await session?.release();
  }

  async #input({ root: key, items, to, place }: InputStep, { batchSize }: Plan): Promise<void> {
    const { roots, rows, device, whenPrepared } = this.#options;
    const rule = { size: batchSize, isFixed: device !== "cpu" };
    const root = roots.get(key);
    if (!root) throw new Error(`no preprocessed items for ${key}`);
    await whenPrepared?.(key, items.end);
    this.#hold(to, readInputs(root, { items, rows, rule, place, pool: this.#pool }), "host");
  }

  async #run(step: RunStep, segment: Segment | undefined): Promise<void> {
    const loaded = this.#segments.get(step.segment);
    if (!segment || !loaded) throw new Error(`segment ${step.segment} is not loaded`);
    const session = await this.#timed("load", () => loaded.session);
    await this.#timed("inference", () => this.#runBatches(step, segment, session));
  }

  async #runBatches(step: RunStep, segment: Segment, session: ort.InferenceSession): Promise<void> {
    const { from, to, inputs, place } = step;
    const input = this.#results.get(from)?.result;
    if (!input) throw new Error(`${from}, which segment ${segment.id} reads, is not there`);
    const others = session.inputNames.filter((name) => name !== "x");
    const roots = others.length > 0 ? this.#results.get(inputs)?.result : undefined;
    const writer = this.#writer(step, input);
    try {
      for (const [index, { rows, length }] of input.batches.entries()) {
        if (this.#options.isInterrupted()) throw new InterruptedError();
        const feeds: Record<string, ort.Tensor> = { x: input.value(index) };
        for (const name of others) {
          const tensor = roots?.further(index, name);
          if (!tensor) throw new Error(`segment ${segment.id} reads ${name}, which the items don't have`);
          feeds[name] = tensor;
        }
        const into = writer.next([rows, ...outputDims(segment.output, length)]);
        const { y } = await this.#onDevice(segment, () =>
          into ? session.run(feeds, { y: into }) : session.run(feeds),
        );
        if (!y) throw new Error(`segment ${segment.id} made nothing`);
        await this.#onDevice(segment, async () => writer.commit(y));
        this.#options.onBatch?.();
        await new Promise(setImmediate); // messages come in
      }
    } catch (cause) {
      writer.abandon();
      throw cause;
    }
    this.#hold(to, writer.finish(), memoryOf(place));
  }

  #writer({ place, bytes }: RunStep, { batches }: Result): ResultWriter {
    switch (place) {
      case "device":
        return leaveOnDevice(batches, this.#copies);
      case "memory":
        return writeToMemory(this.#pool, bytes, batches);
      case "disk":
        return writeToDisk(this.#pool, bytes, batches, this.#options.spillFolder);
      default:
        return assertNever(place);
    }
  }

  async #keep({ feature, range, items, from }: Extract<Step, { kind: "keep" }>): Promise<void> {
    const held = this.#results.get(from);
    if (!held) throw new Error(`no feature in ${from}`);
    const wanted = new FeatureRows(items);
    for (const [at, batch] of held.result.batches.entries()) {
      if (!wanted.wants(batch)) continue;
      const value = await this.#onDevice({ on: held.memory }, () => held.result.download(at));
      wanted.add(batch, value.data as Float32Array);
    }
    await this.#options.features.append(feature, range, items, wanted.rows);
  }

  #score({ feature, models, train, test, bytes }: Extract<Step, { kind: "score" }>): void {
    this.#scores.begin(feature, bytes, this.#options.lanes.score({ feature, models, train, test }));
  }

  /** @throws DeviceError for what fails on the device */
  async #onDevice<T>({ on }: Pick<Segment, "on">, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw on === "device" ? new DeviceError(cause) : cause;
    }
  }

  #hold(slot: string, result: Result, memory: Memory): void {
    this.#results.set(slot, { result, memory });
    this.account.take(result.bytes, memory);
  }

  #release(slot: string): void {
    const held = this.#results.get(slot);
    if (!held) throw new Error(`${slot} holds nothing`);
    this.#results.delete(slot);
    held.result.release();
    this.account.free(held.result.bytes, held.memory);
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
