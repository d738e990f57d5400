import { availableParallelism } from "node:os";
import { InputError } from "../crawler/errors.ts";
import type { LinearHead } from "../crawler/export/write-onnx.ts";
import { packageFile } from "../crawler/package-file.ts";
import type { CatalogReader } from "../indexer/catalog/catalog-reader.ts";
import type { BlockStore } from "../indexer/store/block-store.ts";
import { fingerprintDataSet } from "./data/fingerprint-items.ts";
import { defaultBatch } from "./default-batch.ts";
import { loadDataSet, type LoadDataSetOptions } from "./data/load-data-set.ts";
import { loadCandidates } from "./load-candidates.ts";
import { featureOf } from "./plan/candidate.ts";
import { planRound } from "./plan/plan-round.ts";
import { rangeLength } from "./plan/step.ts";
import { orderItems } from "./item-order.ts";
import { groupExtractions } from "./plan/group-extractions.ts";
import { measureOf, prepareSearch } from "./prepare-search.ts";
import { trainLinear } from "./proxy/train-linear.ts";
import { rankModels } from "./rank.ts";
import { concatenateRows } from "./run/concatenate-rows.ts";
import { openFeatureStore } from "./run/feature-store.ts";
import { PlanRunner } from "./run/run-plan.ts";
import { rangeKeyOf } from "./run/range-key.ts";
import { roundsOf } from "./search-options.ts";
import { loadSearch, settingsOf } from "./search-state.ts";

export interface TrainHeadOptions {
  readonly reader: CatalogReader;
  readonly store: BlockStore;
  readonly home: string;
  /** A finished search. */
  readonly run: string;
  /** As in loadDataSet. */
  readonly fetchHub?: LoadDataSetOptions["fetchHub"];
  readonly signal?: AbortSignal | undefined;
}

export interface TrainedHead {
  readonly modelId: string;
  readonly head: LinearHead;
  /** Names of the classes, in the order of the logits. */
  readonly classes: readonly string[];
}

/** Memory for extracting the winner's features anew, where the cache has lost them. */
const BUDGET_BYTES = 2e9;

/**
 * Trains the linear proxy of a search's winner on all training items, as its last round did.
 * @throws InputError when the run has no winner, or its data set or model has changed
 */
export async function trainHead({
  reader,
  store,
  home,
  run,
  fetchHub,
  signal,
}: TrainHeadOptions): Promise<TrainedHead> {
  const saved = await loadSearch(home, run);
  const [winner] = rankModels(saved.state.scores);
  if (!winner) throw new InputError(`run ${run} has scored no model yet: alsatian search --resume ${run}`);
  const settings = settingsOf(saved);
  const dataSet = await loadDataSet({
    path: settings.data ?? packageFile("data", "sample-images"),
    test: settings.test,
    seed: settings.seed,
    home,
    skipBadItems: settings.skipBadItems,
    columns: settings.columns,
    fetchHub,
    signal,
  });
  if ((await fingerprintDataSet(dataSet, { signal })) !== saved.dataSet) {
    throw new InputError(`the data set of run ${run} has changed; search again`);
  }
  const models = await reader.listModels({ modelIds: [winner.model] });
  const { candidates } = await loadCandidates(reader, store, models, dataSet.kind, settings.imageSize);
  const [candidate] = candidates;
  if (!candidate || candidate.revision !== winner.revision) {
    throw new InputError(`${winner.model} has another revision now than in run ${run}; search again`);
  }
  const threads = availableParallelism();
  const batchSize = defaultBatch({ candidates, threads });
  const rounds = roundsOf(settings, saved.candidates.length, dataSet.train.length);
  const order = orderItems(dataSet, rounds, settings.seed);
  const budgetBytes = BUDGET_BYTES;
  const {
    setup: prepared,
    ready,
    kept,
  } = await prepareSearch({
    ...settings,
    ...{ home, candidates, dataSet, order, budgetBytes, threads, signal },
  });
  await Promise.all([...ready.values(), kept]);
  const features = openFeatureStore(home, rangeKeyOf(prepared.itemHashes), prepared.precision);
  const feature = featureOf(candidate);
  const ranges = order.train.filter((range) => rangeLength(range) > 0);
  const missing = [];
  for (const items of ranges) if (!(await features.has(feature, items))) missing.push(items);
  if (missing.length > 0) {
    const runner = new PlanRunner({ threads, budgetBytes });
    try {
      runner.setUp(prepared);
      for (const root of prepared.roots.keys()) runner.markPrepared(root, prepared.rows.length);
      const plan = planRound({
        extractions: groupExtractions([{ candidate, ranges: missing }]),
        scored: [],
        train: ranges,
        test: order.test,
        share: true,
        budgetBytes,
        batchSize,
        lanes: threads,
        measure: measureOf(prepared.roots, { size: batchSize, isFixed: false, lanes: threads }),
      });
      await runner.run(plan, { signal });
    } finally {
      await runner.close();
    }
  }
  const parts = [];
  for (const items of ranges) parts.push(features.read(feature, items));
  const train = concatenateRows(parts);
  const classes = dataSet.classes.length;
  const trainLabels = Int32Array.from(ranges.flatMap(({ begin, end }) => [...prepared.labels.subarray(begin, end)]));
  const dim = train.length / trainLabels.length;
  const { weights, bias } = await trainLinear({ train, trainLabels, classes, dim });
  return {
    modelId: winner.model,
    head: { outputName: "logits", classes, weights, bias },
    classes: dataSet.classes,
  };
}
