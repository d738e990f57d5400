import { elementCount } from "../../crawler/export/graph.ts";
import type { BufferPool } from "./buffer-pool.ts";
import { isMoving, type TensorData } from "./lane-job.ts";
import { get, type Batch } from "./batch.ts";
import { SpillFile } from "./spill-file.ts";

/** Values of a batch by the names of the graph's inputs; the chain's own value is `x`. */
export type Values = Readonly<Record<string, TensorData>>;

/**
 * A result for some items, batch by batch, whose buffers move between threads. Used: reserve, take, give, in that order;
 * whoever has reserved a batch gives it back, whatever happens.
 */
export interface LaneResult {
  readonly batches: readonly Batch[];
  /** Memory that it takes, as the plan counts it. */
  readonly bytes: number;
  /** Whether several can have a batch's values at a time. */
  readonly isShared: boolean;
  /** Resolves when a batch's values are there and nobody else has them, unless they are shared. @throws what has kept them from being computed */
  reserve(batch: number): Promise<void>;
  take(batch: number): Values;
  /** @param values that were taken; null when they were not */
  give(batch: number, values: Values | null): void;
  /** Nobody uses it any more. */
  release(): void;
}

/** A result that is being computed: batches come in any order. Each is begun and then committed or failed. */
export interface LaneWriter extends LaneResult {
  /** Where the value of a batch goes. */
  begin(batch: number): TensorData;
  commit(batch: number, value: TensorData): void;
  fail(batch: number, cause: unknown): void;
}

/** A batch's turn: who waits for it, and whether it can be had. */
class Turns {
  #isFree = false;
  #failure: { readonly cause: unknown } | null = null;
  readonly #waiting: { resolve: () => void; reject: (cause: unknown) => void }[] = [];

  reserve(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure.cause as Error);
      if (!this.#isFree) return void this.#waiting.push({ resolve, reject });
      this.#isFree = false;
      resolve();
    });
  }

  free(): void {
    const next = this.#waiting.shift();
    if (next) next.resolve();
    else this.#isFree = true;
  }

  /** Waits until it can be had, and leaves it to others at once. */
  async pass(): Promise<void> {
    await this.reserve();
    this.free();
  }

  /** Nobody waits in turn any more: all may have it at once. */
  fail(cause: unknown): void {
    this.#failure = { cause };
    for (const { reject } of this.#waiting.splice(0)) reject(cause);
  }
}

/** @param dims of the value of each batch, batch first */
export function keepInMemory(
  pool: BufferPool,
  batches: readonly Batch[],
  dims: readonly (readonly number[])[],
): LaneWriter {
  const turns = batches.map(() => new Turns());
  const values: Values[] = [];
  const bytes = 4 * dims.reduce((sum, shape) => sum + elementCount(shape), 0);
  return {
    ...lend(batches, values, turns, bytes),
    begin: (batch) => takeTensor(pool, get(dims, batch)),
    commit(batch, value) {
      values[batch] = { x: value };
      get(turns, batch).free();
    },
    fail: (batch, cause) => get(turns, batch).fail(cause),
    release() {
      values.forEach((held) => giveValues(pool, held)); // those that were computed
    },
  };
}

/** As `keepInMemory`, in memory that all threads have: whoever wants a batch reads it. For values that are soon copied. */
export function keepShared(
  pool: BufferPool<SharedArrayBuffer>,
  batches: readonly Batch[],
  dims: readonly (readonly number[])[],
): LaneWriter {
  const turns = batches.map(() => new Turns());
  const buffers = dims.map((shape) => pool.take(4 * elementCount(shape)));
  const valueOf = (batch: number): TensorData => ({
    type: "float32",
    dims: get(dims, batch),
    buffer: get(buffers, batch),
  });
  return {
    batches,
    bytes: 4 * dims.reduce((sum, shape) => sum + elementCount(shape), 0),
    isShared: true,
    reserve: (batch) => get(turns, batch).pass(),
    take: (batch) => ({ x: valueOf(batch) }),
    give: () => undefined,
    begin: valueOf,
    commit: (batch) => get(turns, batch).free(),
    fail: (batch, cause) => get(turns, batch).fail(cause),
    release() {
      for (const buffer of buffers) pool.give(buffer);
    },
  };
}

/**
 * A result that is written to a file and read by each that needs it: memory holds what is under way.
 * @param bytes of the batches that can be under way at a time @param folder where files that only this result needs may lie
 */
export function keepOnDisk(
  pool: BufferPool,
  batches: readonly Batch[],
  dims: readonly (readonly number[])[],
  { bytes, folder }: { readonly bytes: number; readonly folder: string },
): LaneWriter {
  const file = new SpillFile(folder);
  const turns = batches.map(() => new Turns());
  const places: number[] = [];
  let end = 0;
  for (const shape of dims) {
    places.push(end);
    end += 4 * elementCount(shape);
  }
  const viewOf = (batch: number, { buffer }: TensorData): Uint8Array =>
    new Uint8Array(buffer, 0, 4 * elementCount(get(dims, batch)));
  return {
    batches,
    bytes,
    isShared: true,
    reserve: (batch) => get(turns, batch).pass(), // each reads for itself
    take(batch) {
      const value = takeTensor(pool, get(dims, batch));
      file.read(viewOf(batch, value), get(places, batch));
      return { x: value };
    },
    give: (_batch, values) => giveValues(pool, values),
    begin: (batch) => takeTensor(pool, get(dims, batch)),
    commit(batch, value) {
      file.write(viewOf(batch, value), get(places, batch));
      giveValues(pool, { x: value });
      get(turns, batch).free();
    },
    fail: (batch, cause) => get(turns, batch).fail(cause),
    release: () => file.remove(),
  };
}

/** A result that is there: one user at a time has a batch's buffers. */
export function lendResult(batches: readonly Batch[], values: readonly Values[], bytes: number): LaneResult {
  const turns = batches.map(() => new Turns());
  for (const turn of turns) turn.free();
  return { ...lend(batches, values, turns, bytes), release: () => undefined };
}

const lend = (
  batches: readonly Batch[],
  values: readonly Values[],
  turns: readonly Turns[],
  bytes: number,
): Omit<LaneResult, "release"> => ({
  batches,
  bytes,
  isShared: false,
  reserve: (batch) => get(turns, batch).reserve(),
  take: (batch) => get(values, batch),
  give: (batch) => get(turns, batch).free(),
});

const takeTensor = (pool: BufferPool, dims: readonly number[]): TensorData => ({
  type: "float32",
  dims,
  buffer: pool.take(4 * elementCount(dims)),
});

export function giveValues(pool: BufferPool, values: Values | null): void {
  for (const { buffer } of Object.values(values ?? {}).filter(isMoving)) pool.give(buffer);
}
