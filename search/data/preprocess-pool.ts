import { availableParallelism } from "node:os";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { ImageItem } from "./data-set.ts";
import { preprocessItem, preprocessSmallItem, type Outcome } from "./preprocess-item.ts";
import type { Preprocessing } from "../../crawler/preprocessing/preprocessing.ts";

export interface PreprocessOptions {
  readonly items: readonly ImageItem[];
  /** Undefined: only see whether the pictures can be decoded. */
  readonly preprocessing: Preprocessing | undefined;
  /** Worker threads, 1 and more; 0 works in this thread. Default: one a core, and 0 for a handful of items. */
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Two jobs a thread: one is decoded while the other is resized. Bounds the pictures in memory at a time. */
const JOBS_PER_THREAD = 2;
/** More threads than this only wait for the disk. */
const MAX_THREADS = 16;
/** How long this thread may be at pictures before it does what else waits. */
const TURN_MS = 2;
/** A thread takes a tenth of a second to start, in which this thread prepares so many pictures. */
const FEW_ITEMS = 16;

/**
 * Reads, decodes and prepares pictures on several threads. Outcomes come in the order of the items, some at a time; a bad
 * picture is one of them. At most two pictures a thread are under way or wait for their turn; of small PNGs, that are
 * prepared in this thread, as many as take 2 ms.
 */
export async function* preprocessItems(options: PreprocessOptions): AsyncGenerator<Outcome[], void, undefined> {
  const { items, preprocessing, signal } = options;
  const few = items.length <= FEW_ITEMS ? 0 : availableParallelism();
  const threads = Math.min(options.threads ?? few, MAX_THREADS, items.length);
  signal?.throwIfAborted();
  // decoding alone runs on threads of the decoder's own; resizing is done by ours
  const resizes = preprocessing?.steps.some(({ kind }) => kind === "resize") ?? false;
  if (threads === 0 || !resizes) {
    let begin = 0;
    for (
      let turn = takeTurn(items, begin, preprocessing);
      turn.length > 0;
      turn = takeTurn(items, begin, preprocessing)
    ) {
      begin += turn.length;
      yield turn;
      await setImmediate();
      signal?.throwIfAborted();
    }
    const atATime = Math.max(1, threads * JOBS_PER_THREAD);
    yield* inOrder(items, begin, atATime, signal, (job) => preprocessItem(job, preprocessing));
    return;
  }
  const pool = new WorkerPool(threads, preprocessing);
  const onAbort = (): void => pool.fail(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    yield* inOrder(items, 0, threads * JOBS_PER_THREAD, signal, (job) => pool.run(job));
  } finally {
    signal?.removeEventListener("abort", onAbort);
    await pool.close();
  }
}

/** The small PNGs from an item on, up to the first other, that are prepared in one turn. */
function takeTurn(items: readonly ImageItem[], begin: number, preprocessing: Preprocessing | undefined): Outcome[] {
  const outcomes: Outcome[] = [];
  const start = performance.now();
  for (let index = begin; index < items.length && performance.now() - start < TURN_MS; index++) {
    const item = items[index];
    const outcome = item && preprocessSmallItem({ index, item }, preprocessing);
    if (!outcome) break;
    outcomes.push(outcome);
  }
  return outcomes;
}

/** Outcomes in the order of the items from one on, with so many jobs under way or waiting for their turn. */
async function* inOrder(
  items: readonly ImageItem[],
  begin: number,
  atATime: number,
  signal: AbortSignal | undefined,
  run: (job: Job) => Promise<Outcome>,
): AsyncGenerator<Outcome[], void, undefined> {
  const waiting: Promise<Outcome>[] = [];
  let turn = performance.now();
  for (const [at, { path, range }] of items.slice(begin).entries()) {
    // small pictures are decoded in this thread, which has other things to do
    if (performance.now() - turn > TURN_MS) {
      await setImmediate();
      turn = performance.now();
    }
    signal?.throwIfAborted();
    waiting.push(run({ index: begin + at, item: range ? { path, range } : { path } }));
    const first = waiting.length >= atATime ? waiting.shift() : undefined;
    if (first) yield [await first];
  }
  for (let first = waiting.shift(); first; first = waiting.shift()) yield [await first];
}

type Job = Parameters<typeof preprocessItem>[0];

/**
 * Owns the threads. Idle: no jobs. Busy: jobs out, each settled by its outcome. Failed (a thread died, or aborted): all
 * jobs out and all later ones are rejected with the reason. Closed: threads ended.
 */
class WorkerPool {
  readonly #workers: { readonly worker: Worker; readonly hasEnded: Promise<void>; jobs: number }[];
  readonly #settle = new Map<number, { resolve: (outcome: Outcome) => void; reject: (reason: unknown) => void }>();
  #failure: { readonly reason: unknown } | undefined;

  constructor(threads: number, preprocessing: Preprocessing | undefined) {
    this.#workers = Array.from({ length: threads }, () => {
      const worker = new Worker(new URL("./preprocess-worker.js", import.meta.url), { workerData: { preprocessing } });
      const hasEnded = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
      const entry = { worker, hasEnded, jobs: 0 };
      worker.on("message", (outcome: Outcome) => {
        entry.jobs--;
        this.#settle.get(outcome.index)?.resolve(outcome);
        this.#settle.delete(outcome.index);
      });
      worker.on("error", (error) => this.fail(error));
      worker.on("exit", (code) => this.fail(new Error(`a preprocessing thread ended with code ${code}`)));
      return entry;
    });
  }

  run(job: Job): Promise<Outcome> {
    const promise = new Promise<Outcome>((resolve, reject) => {
      if (this.#failure) return reject(this.#failure.reason);
      this.#settle.set(job.index, { resolve, reject });
      const idlest = this.#workers.reduce((a, b) => (b.jobs < a.jobs ? b : a));
      idlest.jobs++;
      idlest.worker.postMessage(job);
    });
    promise.catch(() => undefined); // a rejection is seen when its turn comes, if it ever does
    return promise;
  }

  fail(reason: unknown): void {
    this.#failure ??= { reason };
    for (const { reject } of this.#settle.values()) reject(reason);
    this.#settle.clear();
  }

  /** Threads end themselves, between pictures: one that is ended while it makes a zlib stream takes the process with it. */
  async close(): Promise<void> {
    await Promise.all(
      this.#workers.map(async ({ worker, hasEnded }) => {
        worker.postMessage("end");
        await hasEnded;
      }),
    );
  }
}
