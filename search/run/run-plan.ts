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
  readonly onScore?: (score: FeatureScore) => void;
}

export function startPlanRunner(setup: Omit<WorkerSetup, "interrupt">): PlanRunner {
  const interrupt = new SharedArrayBuffer(4);
  const worker = new Worker(new URL("./search-worker.js", import.meta.url), {
    workerData: { ...setup, interrupt } satisfies WorkerSetup,
  });
  return {
    async run(plan, { signal, onStep, onScore } = {}) {
      signal?.throwIfAborted();
      const stop = (): void => void Atomics.store(new Int32Array(interrupt), 0, 1);
      signal?.addEventListener("abort", stop, { once: true });
      const scores: FeatureScore[] = [];
      try {
        return await new Promise<PlanResult>((resolve, reject) => {
          worker.once("error", reject);
          worker.once("exit", (code) => reject(new Error(`the inference thread ended with code ${code}`)));
          worker.on("message", (message: WorkerMessage) => {
            switch (message.kind) {
              case "step":
                return onStep?.(message.done, message.total);
              case "score":
                scores.push(message.score);
                return onScore?.(message.score);
              case "done":
                return resolve({ scores, peakBytes: message.peakBytes, seconds: message.seconds });
              case "interrupted":
                return reject(signal?.reason instanceof Error ? signal.reason : new Error("interrupted"));
              case "failed":
                return reject(Object.assign(new Error(message.message), { stack: message.stack }));
            }
          });
          worker.postMessage(plan);
        });
      } finally {
        signal?.removeEventListener("abort", stop);
        worker.removeAllListeners();
      }
    },
    async close() {
      await worker.terminate();
    },
  };
}
