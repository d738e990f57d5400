import PQueue from "p-queue";
import type { ModelToRead } from "./model-reader.ts";
import { withOwnSignal } from "./with-own-signal.ts";

export interface ReaderQueueOptions {
  /** Models that are read at the same time. */
  readonly concurrency: number;
  /** @throws what is no fault of the model's, and ends the crawl */
  readonly read: (model: ModelToRead, signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal | undefined;
}

/** How many models may wait for a reader: enough to keep readers busy, few enough to stay small. */
const WAITING_PER_READER = 4;

/**
 * Models that are being read, and those that wait for it, in bounded number. Open: models are added. Failed: what went
 * wrong with one ends the reading of all, and is thrown by `settle` and `throwFatal`. Aborted: nothing more is begun.
 */
export class ReaderQueue {
  readonly #options: ReaderQueueOptions;
  readonly #queue: PQueue;
  readonly #abort = new AbortController();
  /** Aborted by the user, by `end`, and by what goes wrong. */
  readonly signal: AbortSignal;
  #fatal: Error | null = null;

  constructor(options: ReaderQueueOptions) {
    this.#options = options;
    this.#queue = new PQueue({ concurrency: options.concurrency });
    this.signal = options.signal ? AbortSignal.any([options.signal, this.#abort.signal]) : this.#abort.signal;
  }

  /** Reads a model as soon as a reader is free; resolves when there is room for another one to wait. */
  async add(model: ModelToRead): Promise<void> {
    this.#queue
      .add(async () => {
        if (this.signal.aborted) return;
        await withOwnSignal(this.signal, (signal) => this.#options.read(model, signal));
      })
      .catch((cause: unknown) => {
        this.#fatal ??= cause instanceof Error ? cause : new Error(String(cause));
        this.#abort.abort(cause);
      });
    await this.#queue.onSizeLessThan(this.#options.concurrency * WAITING_PER_READER);
  }

  /** Waits until all models that were added have been read. @throws what ended the reading */
  async settle(): Promise<void> {
    await this.#queue.onIdle();
    this.throwFatal();
  }

  /** Begins no further model, and waits for those under way. @returns what ended the reading, if anything did before */
  async end(cause: unknown): Promise<Error | null> {
    if (cause !== null) this.#abort.abort(cause);
    this.#queue.clear();
    await this.#queue.onIdle();
    return this.#fatal;
  }

  /** @throws what ended the reading */
  throwFatal(): void {
    if (this.#fatal !== null) throw this.#fatal;
    this.signal.throwIfAborted();
  }
}
