import { Worker, type TransferListItem } from "node:worker_threads";

/** Jobs and answers travel with a number, so that several can be under way. */
export interface Envelope<T> {
  readonly id: number;
  readonly content: T;
}

export type Answer<T> = Envelope<{ readonly value: T } | { readonly error: Error }>;

/**
 * A thread that answers jobs, in their order. Open: each job is settled by its answer. Broken (the thread died): all
 * jobs out and all later ones are rejected with the reason. Closed: the thread has ended.
 */
export class Thread<Job, Result> {
  readonly #worker: Worker;
  readonly #out = new Map<number, { resolve: (result: Result) => void; reject: (reason: Error) => void }>();
  #next = 0;
  #broken: Error | null = null;
  /** The answer to the last job, which comes behind all others. */
  #last: Promise<unknown> = Promise.resolve();

  /** @param data what the thread starts with */
  constructor(module: URL, data?: unknown) {
    this.#worker = new Worker(module, { workerData: data });
    this.#worker.on("message", ({ id, content }: Answer<Result>) => {
      const job = this.#out.get(id);
      this.#out.delete(id);
      if ("error" in content) job?.reject(content.error);
      else job?.resolve(content.value);
    });
    this.#worker.on("error", (error: Error) => this.#fail(error));
    this.#worker.on("exit", (code) => this.#fail(new Error(`a thread ended with code ${code}`)));
  }

  /** @param transfer buffers that move to the thread with the job */
  ask(content: Job, transfer: readonly TransferListItem[] = []): Promise<Result> {
    const answer = new Promise<Result>((resolve, reject) => {
      if (this.#broken) return reject(this.#broken);
      const id = this.#next++;
      this.#out.set(id, { resolve, reject });
      this.#worker.postMessage({ id, content } satisfies Envelope<Job>, transfer);
    });
    this.#last = answer.catch(() => undefined); // a rejection is seen when its turn comes, if it ever does
    return answer;
  }

  /** Ends the thread behind its jobs: one that is ended in onnxruntime's code takes the process with it. */
  async close(): Promise<void> {
    await this.#last;
    await this.#worker.terminate();
  }

  #fail(reason: Error): void {
    this.#broken ??= reason;
    for (const { reject } of this.#out.values()) reject(reason);
    this.#out.clear();
  }
}
