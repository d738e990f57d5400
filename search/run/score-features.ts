import type { Precision } from "../../crawler/export/precision.ts";
import { rangeLength, type ItemRange } from "../plan/step.ts";
import { FeatureError } from "../proxy/errors.ts";
import type { Proxy, ProxyInput } from "../proxy/proxy.ts";
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

/** Most proxies that are trained together. */
const MOST_TOGETHER = 16;
/** Squares of items that are trained on together: Gram matrices that a core's cache holds beside what is made of them. */
const MOST_SQUARES = 256 ** 2;

/** How many items a proxy is trained on. */
export const itemsOf = ({ train }: ScoreJob): number => train.reduce((sum, range) => sum + rangeLength(range), 0);

/** How many proxies of that size are worth training together: with many items, a call is short beside its work. */
export function worthTogether(job: ScoreJob): number {
  return Math.max(1, Math.min(MOST_TOGETHER, Math.floor(MOST_SQUARES / itemsOf(job) ** 2)));
}

/** Whether two jobs are about the same items, so that they can be done together. */
export function areAlike(a: ScoreJob, b: ScoreJob): boolean {
  const ranges = ({ train, test }: ScoreJob): string =>
    [...train, test].map(({ begin, end }) => `${begin}-${end}`).join();
  return a === b || ranges(a) === ranges(b);
}

/**
 * Trains the proxy on kept features, and tests it. Features that cannot be scored are an outcome, not an error.
 * @param jobs that are alike
 */
export async function scoreFeatures(jobs: readonly ScoreJob[], options: ScoreOptions): Promise<FeatureScore[]> {
  const { proxy, labels, features, classes } = options;
  const [first] = jobs;
  if (!first) return [];
  // they are about the same items
  const trainLabels = Int32Array.from(first.train.flatMap(({ begin, end }) => [...labels.subarray(begin, end)]));
  const testLabels = labels.subarray(first.test.begin, first.test.end);
  const loaded = jobs.map((job) => {
    const train = concatenateRows(job.train.map((range) => features.read(job.feature, range)));
    const test = features.read(job.feature, job.test);
    return { job, input: { train, trainLabels, test, testLabels, classes, dim: train.length / trainLabels.length } };
  });
  const scores = new Map<ScoreJob, FeatureScore>();
  for (const dim of new Set(loaded.map(({ input }) => input.dim))) {
    const group = loaded.filter(({ input }) => input.dim === dim);
    const found = (await scoreAll(proxy, group)) ?? (await scoreEach(proxy, group));
    group.forEach(({ job }, index) => {
      const score = found[index];
      if (score) scores.set(job, score);
    });
  }
  return jobs.flatMap((job) => scores.get(job) ?? []);
}

interface LoadedJob {
  readonly job: ScoreJob;
  readonly input: ProxyInput;
}

/** @returns null where that cannot be, or some features cannot be scored */
async function scoreAll(proxy: Proxy, group: readonly LoadedJob[]): Promise<FeatureScore[] | null> {
  if (!proxy.scoreTogether || group.length === 1) return null;
  try {
    const scores = await proxy.scoreTogether(group.map(({ input }) => input));
    return group.map(({ job: { feature, models } }, index) => ({
      feature,
      models,
      score: scores[index]?.score ?? null,
    }));
  } catch (cause) {
    if (cause instanceof FeatureError) return null;
    throw cause;
  }
}

async function scoreEach(proxy: Proxy, group: readonly LoadedJob[]): Promise<FeatureScore[]> {
  const scores: FeatureScore[] = [];
  for (const { job, input } of group) {
    const { feature, models } = job;
    try {
      const { score } = await proxy.score(input);
      scores.push({ feature, models, score });
    } catch (cause) {
      if (!(cause instanceof FeatureError)) throw cause;
      scores.push({ feature, models, score: null, reason: cause.message });
    }
  }
  return scores;
}
