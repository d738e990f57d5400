import { survivors, type RoundPlan } from "./halving.ts";
import type { ItemOrder } from "./item-order.ts";
import type { SearchCandidate } from "./build-candidate.ts";
import { fallBack, type Attempt, type Fallback } from "./fall-back.ts";
import type { FailedModel } from "./load-candidates.ts";
import { featureOf } from "./plan/candidate.ts";
import { groupExtractions, type Missing } from "./plan/group-extractions.ts";
import { planRound, smallestBudgets, type RoundInput } from "./plan/plan-round.ts";
import { rangeLength, type ItemRange, type LoadedSegment, type Plan } from "./plan/step.ts";
import { measurePictures, type BatchRule, type Measure } from "./plan/extent.ts";
import { knownFallback, type KnownFallback } from "./known-fallback.ts";
import { batchRule, firstAttempt, planFirstRound, planSettings, tunedAttempt } from "./plan-search.ts";
import { measureOf, prepareSearch } from "./prepare-search.ts";
import { keepBest, rankModels, type ScoredModel } from "./rank.ts";
import { openFeatureStore, type FeatureStore } from "./run/feature-store.ts";
import { rangeKeyOf } from "./run/range-key.ts";
import { RunFailure } from "./run/run-failure.ts";
import { PlanRunner, type PlanResult } from "./run/run-plan.ts";
import { orderOf, roundsOf, type SearchOptions } from "./search-options.ts";
import { SearchInterrupted, type SearchResult } from "./search-result.ts";
import type { SearchState } from "./search-state.ts";
import { tuneSearch, untuned, type Tuned } from "./tune/tune-search.ts";

/** Successive halving over the candidates (DESIGN section 4). @throws SearchInterrupted with the ranking so far */
export async function search(options: SearchOptions): Promise<SearchResult> {
  return new Search(options).run();
}

/** Names a feature of some items. */
const featuresOf = (feature: string, { begin, end }: ItemRange): string => `${feature} ${begin}-${end}`;

/** What rounds work with. */
interface RoundTools {
  /** The user's, and that of items which cannot be prepared. */
  readonly signal: AbortSignal;
  readonly order: ItemOrder;
  readonly runner: PlanRunner;
  readonly features: FeatureStore;
  /** How much items are, in batches of some rule. */
  readonly measure: (rule: BatchRule) => Measure;
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
  readonly #peakBytes = { host: 0, device: 0 };
  #residentBytes = 0;
  #cacheHits = 0;
  /** Features that plans of this search have left in the store: nobody has to read them to see that they are there. */
  readonly #computed = new Set<string>();
  /** Segments that the last plan has left in the runner's memory. */
  #loaded: readonly LoadedSegment[] = [];
  #attempt: Attempt;
  /** What the device is known not to run. */
  readonly #known: KnownFallback;
  readonly #fallbacks: Fallback[] = [];
  #tuned: Tuned;

  constructor(options: SearchOptions) {
    this.#options = options;
    this.#known = knownFallback(options.device ?? "cpu", options.candidates);
    this.#attempt = firstAttempt(options, this.#known);
    this.#tuned = untuned(options);
  }

  async run(): Promise<SearchResult> {
    const { candidates, dataSet, home, signal } = this.#options;
    const rounds = roundsOf(this.#options, candidates.length, dataSet.train.length);
    const order = orderOf(this.#options, rounds);
    const planFirst = (measure: (rule: BatchRule) => Measure): Plan =>
      planFirstRound(this.#options, measure(batchRule(this.#attempt)), this.#attempt).plan;
    // starts while rounds are planned and items are prepared
    const {
      threads,
      budgetBytes,
      device,
      runner = new PlanRunner({ threads, budgetBytes, device, ...this.#options.process }),
    } = this.#options;
    const stop = new AbortController();
    const stopped = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    const preparing: Promise<void>[] = [];
    let isDone = false;
    try {
      // a budget that is too small is found before pictures are decoded; texts must be tokenised first
      const planned = dataSet.kind === "image" ? planFirst(measurePictures) : null;
      if (this.#known.fallback) this.#tellFallback(this.#known.fallback);
      const { setup, ready, kept } = await this.#timed("data", () =>
        prepareSearch({
          ...this.#options,
          signal: stopped,
          order,
          onPrepared: (done, total) => this.#options.onEvent?.({ kind: "prepare", done, total }),
          onReadable: (root, end) => runner.markPrepared(root, end),
        }),
      );
      preparing.push(...ready.values(), kept);
      runner.setUp(setup);
      for (const [root, items] of ready) {
        const tell = (): void => runner.markPrepared(root, setup.rows.length);
        items.then(tell, (cause: unknown) => stop.abort(cause));
      }
      const measure = (rule: BatchRule): Measure => measureOf(setup.roots, rule);
      const features = openFeatureStore(home, rangeKeyOf(setup.itemHashes), setup.precision);
      try {
        await this.#tune(() => planned ?? planFirst(measure), {
          runner,
          ready: () => Promise.all(ready.values()),
        });
        let left = this.#restore(candidates);
        for (const round of rounds.slice(this.#rounds.length)) {
          const scored = await this.#round(round, rounds, left, { order, runner, features, measure, signal: stopped });
          await this.#options.onRound?.(this.#state());
          left = this.#goOn(scored);
        }
        await kept;
        isDone = true;
      } finally {
        await features.close();
      }
    } catch (cause) {
      if (signal?.aborted) throw new SearchInterrupted(this.#result());
      throw cause;
    } finally {
      stop.abort(new Error("the search has ended"));
      await Promise.allSettled(preparing);
      await (isDone ? runner.end() : runner.close());
    }
    return this.#result();
  }

  /** @param firstPlan of the first round, in batches of the default size */
  async #tune(firstPlan: () => Plan, tools: Parameters<typeof tuneSearch>[2]): Promise<void> {
    const options = this.#options;
    if (options.batchSize !== undefined) return;
    this.#tuned = await tuneSearch(options, firstPlan(), tools);
    options.onEvent?.({ kind: "tuned", tuned: this.#tuned });
    this.#attempt = tunedAttempt(this.#attempt, this.#tuned);
    if (this.#tuned.threads !== options.threads) await tools.runner.restart({ threads: this.#tuned.threads });
  }

  /** Scores the models of a round, and returns those that could be. */
  async #round(
    round: RoundPlan,
    rounds: readonly RoundPlan[],
    models: readonly SearchCandidate[],
    tools: RoundTools,
  ): Promise<SearchCandidate[]> {
    const { runner, order } = tools;
    const start = performance.now();
    this.#options.onEvent?.({ kind: "round", round: round.round, rounds: rounds.length, models: models.length });
    const train = order.train.slice(0, round.round).filter((range) => rangeLength(range) > 0);
    const isLast = round.round === rounds.length;
    let isRepeated = false;
    let result: PlanResult | null = null;
    while (!result) {
      const missing = await this.#missing(models, train, tools, isRepeated);
      const input = { extractions: groupExtractions(missing), scored: models, train, keepLoaded: !isLast };
      const plan = await this.#timed("plan", () => Promise.resolve(this.#plan(input, tools)));
      try {
        result = await this.#perform(plan, tools);
        this.#loaded = plan.loadedAfter;
        for (const { candidate, ranges } of missing) {
          for (const items of ranges) this.#computed.add(featuresOf(featureOf(candidate), items));
        }
      } catch (cause) {
        tools.signal.throwIfAborted(); // what the user has ended is no failure of the device
        await this.#repeat(cause, round.round, runner);
        isRepeated = true;
      }
    }
    // onnxruntime and the C library keep memory that they don't use any more; ending the process is what frees it
    const isTooLarge = result.residentBytes.last > this.#options.budgetBytes + MOST_OVERHEAD_BYTES;
    if (isTooLarge && !isLast) {
      await runner.restart();
      this.#loaded = [];
    }
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

  /** The ranges that each model lacks features of. @param isRepeated what is there now, this search itself has computed */
  async #missing(
    models: readonly SearchCandidate[],
    train: readonly ItemRange[],
    { features, order: { test } }: RoundTools,
    isRepeated: boolean,
  ): Promise<Missing[]> {
    const missing: Missing[] = [];
    for (const model of models) {
      const feature = featureOf(model);
      const ranges: ItemRange[] = [];
      for (const items of [...train, test]) {
        if (this.#computed.has(featuresOf(feature, items))) continue;
        if (!(await features.has(feature, items))) ranges.push(items);
        // features of earlier ranges are there by design; what counts is what another search, or this one before, left
        else if (!isRepeated && (items === train.at(-1) || (items === test && this.#rounds.length === 0))) {
          this.#cacheHits++;
        }
      }
      missing.push({ candidate: model, ranges });
    }
    return missing;
  }

  #plan(
    input: Pick<RoundInput, "extractions" | "scored" | "train" | "keepLoaded">,
    { order, measure }: RoundTools,
  ): Plan {
    const whole = {
      ...input,
      ...planSettings(this.#options, this.#attempt),
      test: order.test,
      measure: measure(batchRule(this.#attempt)),
      loadedBefore: this.#loaded,
    };
    if (!whole.device || this.#attempt.shrunk.size === 0) return planRound(whole);
    // a budget that was made smaller behind a failure is still one that works
    const budgetBytes = Math.max(whole.device.budgetBytes, smallestBudgets(whole).device);
    return planRound({ ...whole, device: { ...whole.device, budgetBytes } });
  }

  async #perform(plan: Plan, { runner, signal }: RoundTools): Promise<PlanResult> {
    const result = await runner.run(plan, {
      signal,
      onStep: (done, total) => this.#options.onEvent?.({ kind: "step", done, total }),
    });
    this.#blockItems += plan.blockItems;
    this.#bytesLoaded += plan.loadBytes;
    this.#residentBytes = Math.max(this.#residentBytes, result.residentBytes.peak);
    for (const memory of ["host", "device"] as const) {
      this.#peakBytes[memory] = Math.max(this.#peakBytes[memory], result.peakBytes[memory]);
    }
    for (const part of ["data", "load", "inference", "proxy"] as const) this.#seconds[part] += result.seconds[part];
    return result;
  }

  #tellFallback(fallback: Fallback): void {
    this.#fallbacks.push(fallback);
    this.#options.onEvent?.({ kind: "fallback", fallback });
  }

  /** Gets ready to run a round again, otherwise than the way that failed. @throws the cause when nothing is left to try */
  async #repeat(cause: unknown, round: number, runner: PlanRunner): Promise<void> {
    const next = cause instanceof RunFailure ? fallBack(this.#attempt, cause) : null;
    if (!next || !(cause instanceof RunFailure)) throw cause;
    const blocks = cause.segment?.blocks.map(({ name }) => name) ?? [];
    const fallback = { round, device: this.#attempt.device, blocks, reason: cause.message, then: next.then };
    this.#tellFallback(fallback);
    this.#attempt = next.attempt;
    this.#loaded = [];
    await runner.restart({ device: next.attempt.device });
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
      tuned: this.#tuned,
      fallbacks: this.#fallbacks,
      items: { train: dataSet.train.length, test: dataSet.test.length },
      cost: {
        blockItems: this.#blockItems,
        baseBlockItems: blocks * items,
        bytesLoaded: this.#bytesLoaded,
        peakBytes: this.#peakBytes.host,
        budget: budgetBytes,
        devicePeakBytes: this.#peakBytes.device,
        deviceBudget: this.#options.deviceBudgetBytes ?? 0,
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
