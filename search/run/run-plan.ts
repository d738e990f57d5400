import { Worker } from "node:worker_threads";
import type { Plan } from "../plan/step.ts";
import type { FeatureScore, RunSeconds } from "./runner.ts";
import type { WorkerMessage, WorkerSetup } from "./search-worker.ts";

/** What running a plan brought. */
export interface PlanResult {
  readonly scores: readonly FeatureScore[];
  /** The most bytes that the runner had in use, as it booked them. */
  readonly peakBytes: number;
  readonly seconds: RunSeconds;
}

/** A thread that runs plans, one after the other; onnxruntime blocks it and nothing else. */
export interface PlanRunner {
  /** @throws the signal's reason when it is aborted: what was finished is kept */
  run(plan: Plan, options?: RunPlanOptions): Promise<PlanResult>;
  close(): Promise<void>;
}

export interface RunPlanOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: (done: number, total: number) => void;
}

/** The plan under way. */
interface PlanListener {
  onMessage(message: WorkerMessage): void;
  reject(cause: Error): void;
}

export function startPlanRunner(setup: Omit<WorkerSetup, "interrupt">): PlanRunner {
  const interrupt = new SharedArrayBuffer(4);
  const worker = new Worker(new URL("./search-worker.js", import.meta.url), {
    workerData: { ...setup, interrupt } satisfies WorkerSetup,
  });
  // a worker that fails between two plans is told to the next one
  let current: PlanListener = { onMessage: () => undefined, reject: () => undefined };
  let broken: Error | null = null;
  const fail = (cause: Error): void => {
    broken ??= cause;
    current.reject(cause);
  };
  worker.on("message", (message: WorkerMessage) => current.onMessage(message));
  worker.on("error", fail);
  worker.on("exit", (code) => fail(new Error(`the inference thread ended with code ${code}`)));
  return {
    async run(plan, { signal, onStep } = {}) {
      signal?.throwIfAborted();
      if (broken) throw broken;
      const stop = (): void => void Atomics.store(new Int32Array(interrupt), 0, 1);
      signal?.addEventListener("abort", stop, { once: true });
      try {
        return await new Promise<PlanResult>((resolve, reject) => {
          const scores: FeatureScore[] = [];
          const onMessage = (message: WorkerMessage): void => {
            switch (message.kind) {
              case "step":
                return onStep?.(message.done, message.total);
              case "score":
                return void scores.push(message.score);
              case "done":
                return resolve({ scores, peakBytes: message.peakBytes, seconds: message.seconds });
              case "interrupted":
                return reject(signal?.reason instanceof Error ? signal.reason : new Error("interrupted"));
              case "failed":
                return reject(Object.assign(new Error(message.message), { stack: message.stack }));
            }
          };
          current = { onMessage, reject };
          worker.postMessage(plan);
        });
      } finally {
        signal?.removeEventListener("abort", stop);
      }
    },
    async close() {
      await worker.terminate();
    },
  };
}
