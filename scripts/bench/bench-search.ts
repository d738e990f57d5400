import type { Precision } from "../../crawler/export/precision.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import type { Device } from "../../search/device/device.ts";
import type { SearchOptions } from "../../search/search-options.ts";
import type { SearchResult } from "../../search/search-result.ts";
import { defaultBatch } from "../../search/default-batch.ts";
import { search } from "../../search/search.ts";
import type { Strategy } from "../../search/strategy.ts";
import { deleteEarlierCaches, putCacheAside } from "./earlier-caches.ts";
import type { BenchArchitecture } from "./fake-checkpoint.ts";
import { makePictures, makeTexts, type BenchData } from "./make-data.ts";
import { makeSnapshots, type Sharing } from "./make-snapshots.ts";
import {
  aloneSeconds,
  boundSeconds,
  measureSegments,
  medianSpeeds,
  sharedPlans,
  type SegmentSpeeds,
} from "./measure-bound.ts";
import { median } from "./median.ts";
import { sampleMemory } from "./sample-memory.ts";

/** One set of candidates, and how it is searched. */
export interface BenchCase {
  readonly architecture: BenchArchitecture;
  readonly sharing: Sharing;
  readonly models: number;
  readonly strategies: readonly Strategy[];
  /** How often each strategy runs. */
  readonly runs: number;
  readonly train: number;
  readonly test: number;
  /** In pixels; texts have none. */
  readonly imageSize: number;
  /** Default: that of a search which is not tuned. */
  readonly batchSize: number | undefined;
  readonly device: Device;
  /** Memory of the device for results and weights; 0 on the CPU. */
  readonly deviceBudgetBytes: number;
  readonly precision: Precision;
  readonly budgetBytes: number;
  readonly threads: number;
  readonly proxy: string;
  readonly seed: number;
  /** An empty folder of this case alone. */
  readonly home: string;
  readonly signal?: AbortSignal;
  readonly log: (line: string) => void;
}

export const PARTS = ["data", "load", "inference", "proxy", "plan", "other"] as const;
export type Part = (typeof PARTS)[number];

/** A strategy's figures: those of the run with the median total, so that the parts add up to it. */
export interface StrategyFigures {
  readonly strategy: Strategy;
  readonly total: number;
  /** Totals of all runs, in their order. */
  readonly totals: readonly number[];
  /** In seconds. `other` is what no part claims: the thread that starts, files that are looked for. */
  readonly parts: Readonly<Record<Part, number>>;
  /** Items through blocks. */
  readonly blockItems: number;
  readonly bytesLoaded: number;
  /** The byte account's peak, and the memory of both processes, that of the command and that of inference. */
  readonly peakBytes: number;
  readonly devicePeakBytes: number;
  readonly peakRssBytes: number;
  /** See `measure-bound.ts`. */
  readonly bound: number;
  readonly efficiency: number;
  /** Seconds of the same rounds' work if every model ran alone, measured as the bound. */
  readonly alone: number;
  /** Items through a whole model in a second, in the graphs that the bound was measured with. */
  readonly itemsPerSecond: number;
  readonly ranking: SearchResult["ranking"];
}

export interface CaseFigures extends Omit<BenchCase, "home" | "signal" | "log" | "strategies" | "batchSize"> {
  readonly batchSize: number;
  readonly chainLength: number;
  readonly distinctBlocks: number;
  readonly modelBytes: number;
  readonly strategies: readonly StrategyFigures[];
}

/** One search. */
interface Run {
  readonly strategy: Strategy;
  readonly result: SearchResult;
  readonly peakRssBytes: number;
}

/** Makes the candidates and items of a case, searches them by each strategy in turn, and measures the bound. */
export async function benchSearch(bench: BenchCase): Promise<CaseFigures> {
  const { home, log, strategies, signal, threads, proxy, budgetBytes, seed } = bench;
  const { device, deviceBudgetBytes, precision } = bench;
  const store = openBlockStore(home);
  const { dataSet, preprocessing } = await makeItems(bench);
  const { candidates, ...set } = await makeSnapshots({ ...bench, store, preprocessing });
  const { batchSize = defaultBatch({ candidates, device, threads }) } = bench;
  const optionsOf = (strategy: Strategy): SearchOptions & { readonly batchSize: number } => ({
    ...{ home, store, candidates, dataSet, strategy, proxy, seed, budgetBytes, batchSize, threads, signal },
    ...{ top: 1, rounds: undefined, imageSize: undefined, device, deviceBudgetBytes, precision },
  });
  const runs: Run[] = [];
  const speeds: SegmentSpeeds[] = [];
  for (let turn = 0; turn < bench.runs; turn++) {
    // each strategy comes first, second and last in turn, so that a machine that gets slower is slower for all
    const first = turn % strategies.length;
    for (const strategy of [...strategies.slice(first), ...strategies.slice(0, first)]) {
      await putCacheAside(home);
      const { result, peakRssBytes } = await sampleMemory(() => search(optionsOf(strategy)));
      const [fallback] = result.fallbacks;
      if (fallback) throw new Error(`${fallback.blocks.join(", ")} on ${device}: ${fallback.reason}`);
      const [failed] = result.failed;
      if (failed) throw new Error(`${failed.model}: ${failed.reason}`);
      runs.push({ strategy, result, peakRssBytes: peakRssBytes + result.cost.residentBytes });
      log(`  run ${turn + 1} ${strategy}: ${result.seconds.total.toFixed(2)} s`);
    }
    const plans = runs.flatMap(({ strategy, result }) => sharedPlans(optionsOf(strategy), result));
    speeds.push(await measureSegments(optionsOf("alsatian"), plans));
  }
  await deleteEarlierCaches(home);
  const { architecture, sharing, models, train, test, imageSize } = bench;
  const figures = strategies.map((strategy) =>
    figuresOf(
      strategy,
      runs.filter((run) => run.strategy === strategy),
      (result) => {
        const plans = sharedPlans(optionsOf(strategy), result);
        const speed = medianSpeeds(speeds);
        return { bound: boundSeconds(plans, speed), alone: aloneSeconds(plans, speed, candidates) };
      },
    ),
  );
  return {
    ...{
      architecture,
      sharing,
      models,
      runs: bench.runs,
      train,
      test,
      imageSize,
      batchSize,
      budgetBytes,
      device,
      deviceBudgetBytes,
      precision,
      threads,
      proxy,
    },
    ...{ seed, ...set, strategies: figures },
  };
}

export const makeItems = (
  bench: Pick<BenchCase, "architecture" | "home" | "train" | "test" | "seed" | "imageSize">,
): Promise<BenchData> => (bench.architecture === "bert-small" ? makeTexts(bench) : makePictures(bench));

/** Items through whole models, if every model of a round runs alone on what is new in it. */
const modelItems = ({ rounds: [first, ...rounds], items }: SearchResult): number =>
  (first?.models ?? 0) * ((first?.items ?? 0) + items.test) +
  rounds.reduce((sum, round) => sum + round.models * round.items, 0);

function figuresOf(
  strategy: Strategy,
  runs: readonly Run[],
  workOf: (result: SearchResult) => { readonly bound: number; readonly alone: number },
): StrategyFigures {
  const totals = runs.map(({ result }) => result.seconds.total);
  const total = median(totals);
  const run = runs[totals.indexOf(total)];
  if (!run) throw new Error(`${strategy} did not run`);
  const { seconds, cost, ranking } = run.result;
  const { bound, alone } = workOf(run.result);
  const { data, load, inference, proxy, plan } = seconds;
  return {
    strategy,
    total,
    totals,
    parts: { data, load, inference, proxy, plan, other: total - (data + load + inference + proxy + plan) },
    blockItems: cost.blockItems,
    bytesLoaded: cost.bytesLoaded,
    peakBytes: Math.max(...runs.map(({ result }) => result.cost.peakBytes)),
    devicePeakBytes: Math.max(...runs.map(({ result }) => result.cost.devicePeakBytes)),
    peakRssBytes: median(runs.map(({ peakRssBytes }) => peakRssBytes)),
    bound,
    efficiency: bound / total,
    alone,
    itemsPerSecond: modelItems(run.result) / alone,
    ranking,
  };
}
