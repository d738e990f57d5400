import { elementCount } from "../../crawler/export/graph.ts";
import { Account } from "../plan/account.ts";
import { largestResult } from "../plan/chain-cost.ts";
import { assertNever, type Plan, type Segment, type Step } from "../plan/step.ts";
import { wholeRuns } from "../plan/whole-runs.ts";
import type { Batch } from "./batch.ts";
import { BufferPool, movingBuffer, sharedBuffer } from "./buffer-pool.ts";
import { FeatureRows } from "./feature-rows.ts";
import type { FeatureStore } from "./feature-store.ts";
import { areSmall, groupBatches } from "./group-batches.ts";
import { LaneGraphs, type LaneGraph, type LaneGraphOptions } from "./lane-graphs.ts";
import { laneInputs } from "./lane-inputs.ts";
import type { LaneBatch, TensorData } from "./lane-job.ts";
import { keepInMemory, keepOnDisk, keepShared, type LaneResult, type LaneWriter, type Values } from "./lane-results.ts";
import type { Lanes } from "./lanes.ts";
import { PendingScores } from "./pending-scores.ts";
import { reserveBatches, type Take } from "./reserve-batches.ts";
import { InterruptedError, type FeatureScore, type Runner, type RunSeconds } from "./runner.ts";
import { outputDims } from "./segment-graph.ts";

export interface LaneRunnerOptions extends LaneGraphOptions {
  readonly lanes: Lanes;
  readonly features: FeatureStore;
  /** The row of each item in the prepared inputs, which are in the data set's own order. */
  readonly rows: Int32Array;
  /** Most bytes of buffers that wait to be used again, together with those in use. */
  readonly budgetBytes: number;
  /** Where results lie that memory has no room for, as long as they are needed. */
  readonly spillFolder: string;
  readonly isInterrupted: () => boolean;
  /** Resolves when the items of a root are prepared up to (without) this place. */
  readonly whenPrepared?: (root: string, end: number) => Promise<void>;
}

/** A result, and what is still being done with it. */
interface HeldResult {
  readonly result: LaneResult;
  readonly users: Promise<unknown>[];
}

/** A segment, and what is still being done with it. */
interface HeldSegment {
  readonly graph: Promise<LaneGraph>;
  readonly bytes: number;
  readonly users: Promise<unknown>[];
}

/** What a step's batches run through, from and to. */
interface BatchRun {
  readonly segment: string;
  readonly graph: Promise<LaneGraph>;
  readonly input: LaneResult;
  /** The items themselves, where they are not the input. */
  readonly roots: LaneResult | null;
  readonly writer: LaneWriter;
}

/** Share of the budget that buffers of small results may take while they wait to be used again. */
const MOST_SHARED = 1 / 8;

type StepOf<Kind extends Step["kind"]> = Extract<Step, { kind: Kind }>;

/**
 * Performs plans on the CPU's lanes. Steps are begun in the plan's order and done when what they need is there: a batch
 * runs as soon as its values and its segment are, on whichever lane is idle. Steps that free something wait until nobody
 * uses it, so that what is in memory is what the plan says at every step.
 */
export class LaneRunner implements Runner {
  readonly account = new Account();
  readonly #options: LaneRunnerOptions;
  readonly #pool: BufferPool;
  readonly #sharedPool: BufferPool<SharedArrayBuffer>;
  readonly #whole = new WeakMap<Plan, ReadonlySet<Step>>();
  readonly #graphs: LaneGraphs;
  readonly #results = new Map<string, HeldResult>();
  readonly #segments = new Map<string, HeldSegment>();
  readonly #scores = new PendingScores(this.account);
  /** Sessions that are being closed. */
  readonly #closing = new Set<Promise<void>>();
  /** The last feature that is being kept; they are written in the plan's order. */
  #kept: Promise<void> = Promise.resolve();
  #waited = 0;

  constructor(options: LaneRunnerOptions) {
    this.#options = options;
    this.#pool = new BufferPool(options.budgetBytes, movingBuffer);
    this.#sharedPool = new BufferPool(options.budgetBytes * MOST_SHARED, sharedBuffer);
    this.#graphs = new LaneGraphs(options);
  }

  /** Seconds of the machine: those of a lane count by its share of it. */
  get seconds(): RunSeconds {
    const { seconds, count } = this.#options.lanes;
    const { load, inference, proxy } = seconds;
    return { data: this.#waited, load: load / count, inference: inference / count, proxy: proxy / count };
  }

  async perform(step: Step, plan: Plan): Promise<FeatureScore | null> {
    switch (step.kind) {
      case "load":
        this.#load(segmentOf(plan, step.segment), step);
        return null;
      case "unload":
        await this.#unload(step.segment);
        return null;
      case "input":
        await this.#input(step, plan);
        return null;
      case "run":
        this.#run(step, segmentOf(plan, step.segment), plan);
        return null;
      case "keep":
        this.#keep(step);
        return null;
      case "release":
        await this.#release(step.slot);
        return null;
      case "score":
        this.#score(step);
        return null;
      case "scored":
        return this.#scores.end(step.feature);
      default:
        return assertNever(step);
    }
  }

  /** Resolves when all that was begun is done. @throws what has failed */
  async settle(): Promise<void> {
    for (const held of [...this.#results.values(), ...this.#segments.values()]) await Promise.all(held.users);
    await this.#kept;
    await Promise.all(this.#closing);
  }

  async close(): Promise<void> {
    await this.#scores.close();
    for (const slot of [...this.#results.keys()]) await this.#release(slot).catch(() => undefined);
    for (const segment of [...this.#segments.keys()]) await this.#unload(segment).catch(() => undefined);
    await this.#kept.catch(() => undefined);
    await Promise.allSettled(this.#closing);
  }

  #load(segment: Segment, { bytes }: StepOf<"load">): void {
    const graph = this.#graphs.open(segment);
    this.#segments.set(segment.id, { bytes, users: [heard(graph)], graph });
    this.account.take(bytes);
  }

  async #unload(id: string): Promise<void> {
    const held = this.#segments.get(id);
    if (!held) throw new Error(`segment ${id} is not loaded`);
    await Promise.allSettled(held.users);
    this.#segments.delete(id);
    this.account.free(held.bytes);
    // a lane that is at something else closes its session behind that, and nothing waits for it
    const closing = heard(this.#closeGraph(id, held).finally(() => this.#closing.delete(closing)));
    this.#closing.add(closing);
    await Promise.all(held.users);
  }

  async #closeGraph(id: string, { graph }: HeldSegment): Promise<void> {
    await this.#options.lanes.closeSession(id);
    await this.#graphs.release(await graph);
  }

  async #input({ root: key, items, to }: StepOf<"input">, { batchSize, lanes }: Plan): Promise<void> {
    const { roots, rows, whenPrepared } = this.#options;
    const root = roots.get(key);
    if (!root) throw new Error(`no preprocessed items for ${key}`);
    const window = batchSize * lanes;
    const prepared = async (end: number): Promise<void> => whenPrepared?.(key, end);
    const start = performance.now();
    await prepared(Math.min(items.begin + window, items.end)); // so many that lanes have something to do
    this.#waited += (performance.now() - start) / 1000;
    const rule = { size: batchSize, isFixed: false, lanes };
    this.#hold(to, laneInputs(root, { items, rows, rule, pool: this.#pool, window, whenPrepared: prepared }), []);
  }

  #run(step: StepOf<"run">, segment: Segment, plan: Plan): void {
    const input = this.#resultOf(step.from);
    const loaded = this.#segments.get(segment.id);
    if (!loaded) throw new Error(`segment ${segment.id} is not loaded`);
    // the masks of texts lie beside their tokens, which stay to the end; pictures are gone behind the first segments
    const roots = step.inputs === step.from ? undefined : this.#results.get(step.inputs);
    const writer = this.#writer(step, segment, input.result.batches, plan);
    const run = {
      ...{ segment: segment.id, graph: loaded.graph, input: input.result },
      ...{ roots: roots?.result ?? null, writer },
    };
    const parts = input.result.isShared && this.#wholeOf(plan).has(step) ? 1 : plan.lanes;
    const groups = groupBatches(input.result.batches, largestValue(segment), parts);
    const runs = groups.map((group) => heard(this.#runBatches(group, run)));
    for (const held of [input, loaded, ...(roots ? [roots] : [])]) held.users.push(...runs);
    this.#hold(step.to, writer, runs);
  }

  #wholeOf(plan: Plan): ReadonlySet<Step> {
    const whole = this.#whole.get(plan) ?? wholeRuns(plan);
    this.#whole.set(plan, whole);
    return whole;
  }

  async #runBatches(indices: readonly number[], { segment, graph, input, roots, writer }: BatchRun): Promise<void> {
    try {
      const { source, names } = await graph;
      await reserveBatches(indices, names.length > 0 && roots ? [input, roots] : [input], async (take) => {
        const { batches } = await this.#options.lanes.run(() => {
          if (this.#options.isInterrupted()) throw new InterruptedError();
          return { session: segment, source, batches: indices.map((index) => batchOf(index, names, take, writer)) };
        });
        batches.forEach(({ into }, at) => writer.commit(indices[at] ?? -1, into));
      });
    } catch (cause) {
      for (const index of indices) writer.fail(index, cause);
      throw cause;
    }
  }

  #writer(
    { place }: StepOf<"run">,
    { output }: Segment,
    batches: readonly Batch[],
    { batchSize, lanes }: Plan,
  ): LaneWriter {
    const { spillFolder } = this.#options;
    const dims = batches.map(({ rows, length }) => [rows, ...outputDims(output, length)]);
    switch (place) {
      case "memory":
        return areSmall(batches, 4 * elementCount(output.dims))
          ? keepShared(this.#sharedPool, batches, dims)
          : keepInMemory(this.#pool, batches, dims);
      case "disk": {
        const rows = batches.reduce((sum, batch) => sum + batch.rows, 0);
        const bytes = 4 * elementCount(output.dims) * Math.min(batchSize * lanes, rows);
        return keepOnDisk(this.#pool, batches, dims, { bytes, folder: spillFolder });
      }
      case "device":
        throw new Error("the CPU has no device memory");
      default:
        return assertNever(place);
    }
  }

  #keep(step: StepOf<"keep">): void {
    const held = this.#resultOf(step.from);
    const before = this.#kept;
    this.#kept = heard(before.then(() => this.#writeFeature(step, held.result)));
    held.users.push(this.#kept);
  }

  async #writeFeature({ feature, range, items }: StepOf<"keep">, result: LaneResult): Promise<void> {
    const wanted = new FeatureRows(items);
    for (const [at, batch] of result.batches.entries()) {
      if (!wanted.wants(batch)) continue;
      await reserveBatches([at], [result], (take) => {
        const [values = {}] = take(at);
        const { buffer, dims } = valueOf(values, "x");
        wanted.add(batch, new Float32Array(buffer, 0, elementCount(dims)));
      });
    }
    await this.#options.features.append(feature, range, items, wanted.rows);
  }

  #score({ feature, models, train, test, bytes }: StepOf<"score">): void {
    const score = this.#kept.then(() => this.#options.lanes.score({ feature, models, train, test }));
    this.#scores.begin(feature, bytes, score);
  }

  #resultOf(slot: string): HeldResult {
    const held = this.#results.get(slot);
    if (!held) throw new Error(`${slot} holds nothing`);
    return held;
  }

  #hold(slot: string, result: LaneResult, users: readonly Promise<unknown>[]): void {
    this.#results.set(slot, { result, users: [...users] });
    this.account.take(result.bytes);
  }

  async #release(slot: string): Promise<void> {
    const held = this.#resultOf(slot);
    await Promise.allSettled(held.users);
    this.#results.delete(slot);
    held.result.release();
    this.account.free(held.result.bytes);
    await Promise.all(held.users);
  }
}

function segmentOf({ segments }: Plan, id: string): Segment {
  const segment = segments[id];
  if (!segment) throw new Error(`the plan has no segment ${id}`);
  return segment;
}

/** @param names of what the segment reads beside `x` */
function batchOf(index: number, names: readonly string[], take: Take, writer: LaneWriter): LaneBatch {
  const [values = {}, further = values] = take(index);
  const feeds = Object.fromEntries(names.map((name) => [name, valueOf(further, name)]));
  return { feeds: { x: valueOf(values, "x"), ...feeds }, into: writer.begin(index) };
}

/** Bytes of an item's largest value that goes into a segment, or comes out of one of its blocks. */
const largestValue = (segment: Segment): number =>
  Math.max(4 * elementCount(segment.input.dims), largestResult(segment));

function valueOf(values: Values, name: string): TensorData {
  const value = values[name];
  if (!value) throw new Error(`a segment reads ${name}, which the items don't have`);
  return value;
}

/** A promise whose failure is seen by those who wait for it, whenever they do. */
function heard<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
