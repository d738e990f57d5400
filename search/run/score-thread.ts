import { workerData } from "node:worker_threads";
import type { Precision } from "../../crawler/export/precision.ts";
import { MatrixEngine } from "../proxy/matrix-engine.ts";
import { getProxy } from "../proxy/proxy.ts";
import { answerJobs } from "./answer-jobs.ts";
import { openFeatureStore } from "./feature-store.ts";
import { rangeKeyOf } from "./range-key.ts";
import { scoreFeatures, type ScoreJob } from "./score-features.ts";

/** What a scoring thread is made with. */
export interface ScoreSetup {
  readonly home: string;
  readonly proxy: string;
  readonly classes: number;
  readonly labels: Int32Array;
  readonly itemHashes: readonly string[];
  /** What features are computed in. */
  readonly precision: Precision;
}

const { home, proxy, classes, labels, itemHashes, precision } = workerData as ScoreSetup;
const options = {
  features: openFeatureStore(home, rangeKeyOf(itemHashes), precision),
  // one thread, whatever the others have: the same features get the same score to the bit
  proxy: getProxy(proxy, new MatrixEngine({ threads: 1 })),
  labels,
  classes,
};

answerJobs((job: ScoreJob) => scoreFeatures(job, options));
