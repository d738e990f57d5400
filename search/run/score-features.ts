import type { Precision } from "../../crawler/export/precision.ts";
import { rangeLength, type ItemRange } from "../plan/step.ts";
import { FeatureError } from "../proxy/errors.ts";
import type { Proxy } from "../proxy/proxy.ts";
import { concatenateRows } from "./concatenate-rows.ts";
import type { FeatureStore } from "./feature-store.ts";
import type { FeatureScore } from "./runner.ts";

/** Which features are to be scored. */
export interface ScoreJob {
  readonly feature: string;
  readonly models: readonly string[];
  readonly train: readonly ItemRange[];
  readonly test: ItemRange;
}

/** What threads that score are made with. */
export interface ScoreSetup {
  readonly home: string;
  readonly proxy: string;
  readonly classes: number;
  readonly labels: Int32Array;
  readonly itemHashes: readonly string[];
  /** What features are computed in. */
  readonly precision: Precision;
}

export interface ScoreOptions {
  readonly features: FeatureStore;
  readonly proxy: Proxy;
  /** Of all items of the search. */
  readonly labels: Int32Array;
  readonly classes: number;
}

/** Trains the proxy on kept features, and tests it. Features that cannot be scored are an outcome, not an error. */
export async function scoreFeatures(
  { feature, models, train, test }: ScoreJob,
  { features, proxy, labels, classes }: ScoreOptions,
): Promise<FeatureScore> {
  const items = train.reduce((sum, range) => sum + rangeLength(range), 0);
  const parts = [];
  for (const range of train) parts.push(features.read(feature, range));
  const trainRows = concatenateRows(parts);
  const testRows = features.read(feature, test);
  try {
    const { score } = await proxy.score({
      train: trainRows,
      trainLabels: Int32Array.from(train.flatMap(({ begin, end }) => [...labels.subarray(begin, end)])),
      test: testRows,
      testLabels: labels.subarray(test.begin, test.end),
      classes,
      dim: trainRows.length / items,
    });
    return { feature, models, score };
  } catch (cause) {
    if (!(cause instanceof FeatureError)) throw cause;
    return { feature, models, score: null, reason: cause.message };
  }
}
