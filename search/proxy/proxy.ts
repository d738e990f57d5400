import { InputError } from "../../crawler/errors.ts";
import type { LabelledFeatures } from "./check-input.ts";
import { hscoreProxy } from "./hscore.ts";
import { knnProxy } from "./knn.ts";
import { linearProxy } from "./linear.ts";
import { logmeProxy } from "./logme.ts";
import { sharedMatrixEngine, type MatrixEngine } from "./matrix-engine.ts";

export type ProxyName = "linear" | "knn" | "hscore" | "logme";

export interface ProxyInput extends LabelledFeatures {
  /** [m, dim] row-major. Not used by `hscore` and `logme`. */
  readonly test: Float32Array;
  /** [m], each in 0 … classes - 1 */
  readonly testLabels: Int32Array;
  readonly signal?: AbortSignal;
}

export interface ProxyScore {
  /**
   * Higher is better. `linear`, `knn`: test accuracy, 0 … 1. `hscore`: 0 … classes - 1, without unit.
   * `logme`: log evidence per training item and class, in nats. Scores of different proxies do not compare.
   */
  readonly score: number;
  /** Test items that were predicted right; only where the score is an accuracy. */
  readonly correct?: number;
  /** Items that the score was measured on: test items, or training items for `hscore` and `logme`. */
  readonly items: number;
}

/** A cheap score of how well features suit the labels. The same input gives the same bits on the same machine. */
export interface Proxy {
  readonly name: ProxyName;
  /** Throws FeatureError if a feature is not finite, InputError on any other wrong input. */
  score(input: ProxyInput): Promise<ProxyScore>;
  /** As `score` of each, faster where they are small; inputs differ in features alone, and have the same dim. */
  scoreTogether?(inputs: readonly ProxyInput[]): Promise<ProxyScore[]>;
}

const PROXIES: Readonly<Record<ProxyName, (engine: MatrixEngine) => Proxy>> = {
  linear: linearProxy,
  knn: knnProxy,
  hscore: hscoreProxy,
  logme: logmeProxy,
};

export const PROXY_NAMES: readonly ProxyName[] = ["linear", "knn", "hscore", "logme"];

const isProxyName = (name: string): name is ProxyName => PROXY_NAMES.some((known) => known === name);

/** The proxy of that name. Pass an engine to fix its threads or to dispose it; else this thread's shared one is used. */
export function getProxy(name: string, engine: MatrixEngine = sharedMatrixEngine()): Proxy {
  if (!isProxyName(name)) throw new InputError(`unknown proxy "${name}"; expected one of ${PROXY_NAMES.join(", ")}`);
  return PROXIES[name](engine);
}
