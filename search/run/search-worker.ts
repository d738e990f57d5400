import { parentPort, workerData } from "node:worker_threads";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import type { Plan } from "../plan/step.ts";
import { getProxy } from "../proxy/proxy.ts";
import { execute } from "./execute.ts";
import { openFeatureStore, type FeatureStore } from "./feature-store.ts";
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

interface Tools {
  readonly runner: OrtRunner;
  readonly features: FeatureStore;
  readonly isInterrupted: () => boolean;
}

/** What serves all plans of a search: a plan may leave segments loaded for the next one. */
function openTools(setup: WorkerSetup): Tools {
  const flag = new Int32Array(setup.interrupt);
  const isInterrupted = (): boolean => Atomics.load(flag, 0) !== 0;
  const features = openFeatureStore(setup.home, rangeKeyOf(setup.itemHashes));
  const store = openBlockStore(setup.home);
  const runner = new OrtRunner({ ...setup, store, features, proxy: getProxy(setup.proxy), isInterrupted });
  return { runner, features, isInterrupted };
}

async function perform(tools: Tools, plan: Plan, post: (message: WorkerMessage) => void): Promise<void> {
  const { runner, features, isInterrupted } = tools;
  const before = { ...runner.seconds };
  try {
    await execute(plan, runner, {
      isInterrupted,
      onStep: (done, total) => post({ kind: "step", done, total }),
      onScore: (score) => post({ kind: "score", score }),
    });
    const { data, load, inference, proxy } = runner.seconds;
    const seconds = {
      data: data - before.data,
      load: load - before.load,
      inference: inference - before.inference,
      proxy: proxy - before.proxy,
    };
    post({ kind: "done", peakBytes: runner.account.peak, seconds });
  } catch (cause) {
    await runner.close();
    await features.close();
    if (cause instanceof InterruptedError) post({ kind: "interrupted" });
    else {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      post({ kind: "failed", message: error.message, stack: error.stack ?? "" });
    }
  }
}

if (parentPort) {
  const port = parentPort;
  const tools = openTools(workerData as WorkerSetup);
  port.on("message", (plan: Plan) => void perform(tools, plan, (message) => port.postMessage(message)));
}
