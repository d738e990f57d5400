import { parentPort, workerData } from "node:worker_threads";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import type { Plan } from "../plan/step.ts";
import { getProxy } from "../proxy/proxy.ts";
import { execute } from "./execute.ts";
import { openFeatureStore } from "./feature-store.ts";
import { OrtRunner } from "./ort-runner.ts";
import { rangeKeyOf } from "./range-key.ts";
import type { RootInputs } from "./root-inputs.ts";
import { InterruptedError, type FeatureScore, type RunSeconds } from "./runner.ts";

/** What a worker is made with. */
export interface WorkerSetup {
  readonly home: string;
  readonly roots: ReadonlyMap<string, RootInputs>;
  readonly proxy: string;
  readonly classes: number;
  /** Of all items of the search, in the search's order: their labels, contents, and rows in the prepared inputs. */
  readonly labels: Int32Array;
  readonly itemHashes: readonly string[];
  readonly rows: Int32Array;
  readonly batchSize: number;
  readonly threads: number;
  /** One Int32; not 0 means stop. */
  readonly interrupt: SharedArrayBuffer;
}

export type WorkerMessage =
  | { readonly kind: "step"; readonly done: number; readonly total: number }
  | { readonly kind: "score"; readonly score: FeatureScore }
  | { readonly kind: "done"; readonly peakBytes: number; readonly seconds: RunSeconds }
  | { readonly kind: "interrupted" }
  | { readonly kind: "failed"; readonly message: string; readonly stack: string };

async function perform(setup: WorkerSetup, plan: Plan, post: (message: WorkerMessage) => void): Promise<void> {
  const flag = new Int32Array(setup.interrupt);
  const isInterrupted = (): boolean => Atomics.load(flag, 0) !== 0;
  const features = openFeatureStore(setup.home, rangeKeyOf(setup.itemHashes));
  const runner = new OrtRunner({
    ...setup,
    store: openBlockStore(setup.home),
    features,
    proxy: getProxy(setup.proxy),
    isInterrupted,
  });
  try {
    await execute(plan, runner, {
      isInterrupted,
      onStep: (done, total) => post({ kind: "step", done, total }),
      onScore: (score) => post({ kind: "score", score }),
    });
    post({ kind: "done", peakBytes: runner.account.peak, seconds: runner.seconds });
  } catch (cause) {
    if (cause instanceof InterruptedError) post({ kind: "interrupted" });
    else {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      post({ kind: "failed", message: error.message, stack: error.stack ?? "" });
    }
  } finally {
    await runner.close();
    await features.close();
  }
}

parentPort?.on("message", (plan: Plan) => {
  void perform(workerData as WorkerSetup, plan, (message) => parentPort?.postMessage(message));
});
