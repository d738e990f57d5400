import { randomBytes } from "node:crypto";
import type { Precision } from "../crawler/export/precision.ts";
import type { BlockStore } from "../indexer/store/block-store.ts";
import type { DataSet } from "./data/data-set.ts";
import { keepBest, rankModels, type RankedModel, type ScoredModel } from "./rank.ts";
import { orderItems, type ItemOrder } from "./item-order.ts";
import { planRounds, survivors, type RoundPlan } from "./halving.ts";
import type { SearchCandidate } from "./build-candidate.ts";
import type { FailedModel } from "./load-candidates.ts";
import { groupExtractions, type Missing } from "./plan/group-extractions.ts";
import { planRound } from "./plan/plan-round.ts";
import { rangeLength, type ItemRange, type LoadedSegment, type Plan } from "./plan/step.ts";
import { measureItems, type Measure } from "./plan/extent.ts";
import { measureOf, prepareSearch } from "./prepare-search.ts";
import { openFeatureStore, type FeatureStore } from "./run/feature-store.ts";
import { PlanRunner, type PlanResult } from "./run/run-plan.ts";
import type { RunSeconds } from "./run/runner.ts";
import { rangeKeyOf } from "./run/range-key.ts";
import type { SearchState } from "./search-state.ts";
import type { Strategy } from "./strategy.ts";

/** What decides the result of a search; equal settings give equal scores. */
export interface SearchSettings {
  readonly strategy: Strategy;
  readonly proxy: string;
  readonly top: number;
  readonly seed: number;
  readonly rounds: number | undefined;
  readonly imageSize: number | undefined;
  /** What inference computes in. Default: fp32. */
  readonly precision?: Precision | undefined;
}

export interface SearchOptions extends SearchSettings {
  readonly home: string;
  readonly store: BlockStore;
  readonly candidates: readonly SearchCandidate[];
  readonly dataSet: DataSet;
  readonly budgetBytes: number;
  readonly batchSize: number;
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  /** Rounds that an interrupted search has finished already. */
  readonly resume?: SearchState | undefined;
  /** Called after every round with what is known so far; durable before the next round begins. */
  readonly onRound?: (state: SearchState) => Promise<void>;
  readonly onEvent?: (event: SearchEvent) => void;
}

export type SearchEvent =
  | { readonly kind: "prepare"; readonly done: number; readonly total: number }
  | { readonly kind: "round"; readonly round: number; readonly rounds: number; readonly models: number }
  | { readonly kind: "step"; readonly done: number; readonly total: number };

export interface SearchCost {
  /** Items through blocks of backbones: what ran, and what scoring every model on everything would run. */
  readonly blockItems: number;
  readonly baseBlockItems: number;
  readonly bytesLoaded: number;
  readonly peakBytes: number;
  readonly budget: number;
  /** The most memory that the process of inference took, after any step: what `peakBytes` counts, and all else. */
  readonly residentBytes: number;
  /** Features of a range that were read instead of computed. */
  readonly cacheHits: number;
}

export interface SearchResult {
  readonly rounds: readonly {
    readonly round: number;
    readonly models: number;
    readonly items: number;
    readonly seconds: number;
  }[];
  readonly ranking: readonly RankedModel[];
  readonly failed: readonly FailedModel[];
  readonly items: { readonly train: number; readonly test: number };
  readonly cost: SearchCost;
  readonly seconds: RunSeconds & { readonly total: number; readonly plan: number };
}

/** What came out before the user interrupted. */
export class SearchInterrupted extends Error {
  override name = "SearchInterrupted";
  readonly result: SearchResult;
  constructor(result: SearchResult) {
    super("the search was interrupted");
    this.result = result;
  }
}

export const newRunId = (now = new Date()): string =>
  `${now.toISOString().replace(/\D/g, "").slice(0, 14)}-${randomBytes(2).toString("hex")}`;

/** The rounds of a search; `base` has one, with all models and all items. */
export const roundsOf = (settings: SearchSettings, models: number, items: number): RoundPlan[] =>
  settings.strategy === "base"
    ? [{ round: 1, models, begin: 0, end: items }]
    : planRounds(models, settings.top, items, settings.rounds);

/** Successive halving over the candidates (DESIGN section 4). @throws SearchInterrupted with the ranking so far */
export async function search(options: SearchOptions): Promise<SearchResult> {
  return new Search(options).run();
}

const orderOf = ({ dataSet, seed }: SearchOptions, rounds: readonly RoundPlan[]): ItemOrder =>
  orderItems(dataSet, rounds, seed);

/** The plan of the first round; nothing is run. The later ones depend on scores. */
export function planFirstRound(
  options: SearchOptions,
  measure: Measure,
): { readonly plan: Plan; readonly rounds: readonly RoundPlan[] } {
  const { candidates, dataSet } = options;
  const rounds = roundsOf(options, candidates.length, dataSet.train.length);
  const { train: ranges, test } = orderOf(options, rounds);
  const train = ranges.slice(0, 1);
  const extractions = [{ items: { begin: 0, end: test.end }, candidates }];
  const share = options.strategy === "alsatian";
  return {
    plan: planRound({
      extractions,
      scored: candidates,
      train,
      test,
      share,
      budgetBytes: options.budgetBytes,
      measure,
      keepLoaded: rounds.length > 1,
      scorers: options.threads,
      batchSize: options.batchSize,
    }),
    rounds,
  };
}

/** As `planFirstRound`, for what the items really are: texts are tokenised for it, pictures are not decoded. */
export async function explainSearch(options: SearchOptions): Promise<ReturnType<typeof planFirstRound>> {
  if (options.dataSet.kind === "image") return planFirstRound(options, measureItems);
  const rounds = roundsOf(options, options.candidates.length, options.dataSet.train.length);
  const { setup, kept } = await prepareSearch({ ...options, order: orderOf(options, rounds) });
  await kept;
  const { roots } = setup;
  return planFirstRound(options, measureOf(roots, options.batchSize));
}

/** What rounds work with. */
interface RoundTools {
  /** The user's, and that of items which cannot be prepared. */
  readonly signal: AbortSignal;
  readonly order: ItemOrder;
  readonly runner: PlanRunner;
  readonly features: FeatureStore;
  readonly measure: Measure;
}

/** Memory beyond the budget at which the process of inference is started anew for the next round. */
const MOST_OVERHEAD_BYTES = 300e6;

class Search {
  readonly #options: SearchOptions;
  readonly #start = performance.now();
  readonly #seconds = { plan: 0, data: 0, load: 0, inference: 0, proxy: 0 };
  readonly #scores = new Map<string, ScoredModel>();
  readonly #failed: FailedModel[] = [];
  readonly #rounds: { round: number; models: number; items: number; seconds: number }[] = [];
  #blockItems = 0;
  #bytesLoaded = 0;
  #peakBytes = 0;
  #residentBytes = 0;
  #cacheHits = 0;
  /** Segments that the last plan has left in the runner's memory. */
  #loaded: readonly LoadedSegment[] = [];

  constructor(options: SearchOptions) {
    this.#options = options;
  }

  async run(): Promise<SearchResult> {
    const { candidates, dataSet, home, signal } = this.#options;
    const rounds = roundsOf(this.#options, candidates.length, dataSet.train.length);
    const order = orderOf(this.#options, rounds);
    // a budget that is too small is found before pictures are decoded; texts must be tokenised first
    if (dataSet.kind === "image") planFirstRound(this.#options, measureItems);
    const runner = new PlanRunner(); // starts while items are prepared
    const stop = new AbortController();
    const stopped = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    const preparing: Promise<void>[] = [];
    try {
      const { setup, ready, kept } = await this.#timed("data", () =>
        prepareSearch({
          ...this.#options,
          signal: stopped,
          order,
          onPrepared: (done, total) => this.#options.onEvent?.({ kind: "prepare", done, total }),
        }),
      );
      preparing.push(...ready.values(), kept);
      runner.setUp(setup);
      for (const [root, items] of ready) {
        const tell = (): void => runner.markPrepared(root, setup.rows.length);
        items.then(tell, (cause: unknown) => stop.abort(cause));
      }
      const measure = measureOf(setup.roots, setup.batchSize);
      const features = openFeatureStore(home, rangeKeyOf(setup.itemHashes), setup.precision);
      try {
        let left = this.#restore(candidates);
        for (const round of rounds.slice(this.#rounds.length)) {
          const scored = await this.#round(round, rounds, left, { order, runner, features, measure, signal: stopped });
          await this.#options.onRound?.(this.#state());
          left = this.#goOn(scored);
        }
        await kept;
      } finally {
        await features.close();
      }
    } catch (cause) {
      if (signal?.aborted) throw new SearchInterrupted(this.#result());
      throw cause;
    } finally {
      stop.abort(new Error("the search has ended"));
      await Promise.allSettled(preparing);
      await runner.close();
    }
    return this.#result();
  }

  /** Scores the models of a round, and returns those that could be. */
  async #round(
    round: RoundPlan,
    rounds: readonly RoundPlan[],
    models: readonly SearchCandidate[],
    { order, runner, features, measure, signal }: RoundTools,
  ): Promise<SearchCandidate[]> {
    const { onEvent, strategy, budgetBytes } = this.#options;
    const start = performance.now();
    onEvent?.({ kind: "round", round: round.round, rounds: rounds.length, models: models.length });
    const train = order.train.slice(0, round.round).filter((range) => rangeLength(range) > 0);
    const { test } = order;
    const wanted: Missing[] = [];
    for (const model of models) {
      const feature = model.blocks.at(-1)?.prefixId ?? "";
      const ranges: ItemRange[] = [];
      for (const items of [...train, test]) {
        if (!(await features.has(feature, items))) ranges.push(items);
        // features of earlier ranges are there by design; what counts is what another search, or this one before, left
        else if (items === train.at(-1) || (items === test && round.round === 1)) this.#cacheHits++;
      }
      wanted.push({ candidate: model, ranges });
    }
    const extractions = groupExtractions(wanted);
    const plan = await this.#timed("plan", () =>
      Promise.resolve(
        planRound({
          extractions,
          scored: models,
          train,
          test,
          share: strategy === "alsatian",
          budgetBytes,
          measure,
          loadedBefore: this.#loaded,
          keepLoaded: round.round < rounds.length,
          scorers: this.#options.threads,
          batchSize: this.#options.batchSize,
        }),
      ),
    );
    const result = await runner.run(plan, {
      signal,
      onStep: (done, total) => onEvent?.({ kind: "step", done, total }),
    });
    this.#book(plan, result);
    // onnxruntime and the C library keep memory that they don't use any more; ending the process is what frees it
    const isTooLarge = result.residentBytes.last > budgetBytes + MOST_OVERHEAD_BYTES;
    if (isTooLarge && round.round < rounds.length) await runner.restart();
    this.#loaded = isTooLarge ? [] : plan.loadedAfter;
    const items = train.reduce((sum, range) => sum + rangeLength(range), 0);
    const scored: SearchCandidate[] = [];
    for (const { models: ids, score, reason } of result.scores) {
      for (const id of ids) {
        const model = models.find(({ modelId }) => modelId === id);
        if (!model) continue;
        if (score === null) this.#failed.push({ model: id, reason: reason ?? "no score" });
        else {
          this.#scores.set(id, { model: id, revision: model.revision, score, round: round.round, items });
          scored.push(model);
        }
      }
    }
    this.#rounds.push({
      round: round.round,
      models: models.length,
      items: round.end - round.begin,
      seconds: (performance.now() - start) / 1000,
    });
    return scored;
  }

  #book(plan: Plan, { peakBytes, residentBytes, seconds }: PlanResult): void {
    this.#residentBytes = Math.max(this.#residentBytes, residentBytes.peak);
    this.#blockItems += plan.blockItems;
    this.#bytesLoaded += plan.loadBytes;
    this.#peakBytes = Math.max(this.#peakBytes, peakBytes);
    for (const part of ["data", "load", "inference", "proxy"] as const) this.#seconds[part] += seconds[part];
  }

  /** Takes over the rounds that an interrupted search has finished; the models that go on from there. */
  #restore(candidates: readonly SearchCandidate[]): SearchCandidate[] {
    const { resume } = this.#options;
    if (!resume) return [...candidates];
    this.#rounds.push(...resume.rounds);
    this.#failed.push(...resume.failed);
    for (const score of resume.scores) this.#scores.set(score.model, score);
    const last = this.#rounds.length;
    if (last === 0) return [...candidates];
    return this.#goOn(candidates.filter(({ modelId }) => this.#scores.get(modelId)?.round === last));
  }

  /** The models of a round that take part in the next. */
  #goOn(scored: readonly SearchCandidate[]): SearchCandidate[] {
    const best = keepBest(
      scored.flatMap(({ modelId }) => this.#scores.get(modelId) ?? []),
      survivors(scored.length, this.#options.top),
    );
    return scored.filter(({ modelId }) => best.has(modelId));
  }

  #state(): SearchState {
    return { rounds: this.#rounds, scores: [...this.#scores.values()], failed: this.#failed };
  }

  #result(): SearchResult {
    const { candidates, dataSet, budgetBytes } = this.#options;
    const items = dataSet.train.length + dataSet.test.length;
    const blocks = candidates.reduce(
      (sum, model) => sum + model.blocks.filter(({ blockId }) => blockId !== null).length,
      0,
    );
    return {
      rounds: this.#rounds,
      ranking: rankModels([...this.#scores.values()]),
      failed: this.#failed,
      items: { train: dataSet.train.length, test: dataSet.test.length },
      cost: {
        blockItems: this.#blockItems,
        baseBlockItems: blocks * items,
        bytesLoaded: this.#bytesLoaded,
        peakBytes: this.#peakBytes,
        budget: budgetBytes,
        residentBytes: this.#residentBytes,
        cacheHits: this.#cacheHits,
      },
      seconds: { total: (performance.now() - this.#start) / 1000, ...this.#seconds },
    };
  }

  async #timed<T>(part: "plan" | "data", work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.#seconds[part] += (performance.now() - start) / 1000;
    }
  }
}
