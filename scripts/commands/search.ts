import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { InputError } from "../../crawler/errors.ts";
import { loadFamilies, resolveFamily, type Family } from "../../crawler/families.ts";
import { packageFile } from "../../crawler/package-file.ts";
import { parseBytes } from "../../crawler/parse-bytes.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import { withStoreLease } from "../../indexer/store/store-lease.ts";
import { fingerprintDataSet } from "../../search/data/fingerprint-items.ts";
import { loadDataSet } from "../../search/data/load-data-set.ts";
import { pruneCaches } from "../../search/prune-caches.ts";
import { PlanRunner } from "../../search/run/run-plan.ts";
import { recordRun } from "../../search/record-run.ts";
import { explain } from "../../search/report/explain.ts";
import { searchReport } from "../../search/report/search-report.ts";
import { loadSearch, saveSearch, type SavedSearch, type SearchState } from "../../search/search-state.ts";
import { newRunId } from "../../search/new-run-id.ts";
import { explainSearch } from "../../search/plan-search.ts";
import type { SearchOptions } from "../../search/search-options.ts";
import { SearchInterrupted, type SearchResult } from "../../search/search-result.ts";
import { search } from "../../search/search.ts";
import { printRanking, searchProgress } from "../terminal/search-output.ts";
import { chooseCandidates, crawlWhatIsMissing } from "./choose-candidates.ts";
import { EXIT, hubFetcher, type Command, type CommandContext, type ExitCode } from "./common.ts";
import { withDevice, type SearchDevice } from "./search-device.ts";
import {
  absolute,
  checkArguments,
  columnsOf,
  keptArguments,
  searchOptions,
  type SearchArguments,
} from "./search-options.ts";

export const searchCommand: Command<SearchArguments> = {
  command: "search",
  describe: "rank candidate models for a data set",
  builder: searchOptions,
  async handler(argv, context) {
    const saved = argv.resume === undefined ? undefined : await loadSearch(context.home, argv.resume);
    // a run that says nothing of its precision was begun before there were several
    const asked = saved ? ({ ...argv, precision: "fp32", ...saved.args } as SearchArguments) : argv;
    const { home } = context;
    const complete = { ...asked, data: absolute(asked.data), test: absolute(asked.test) };
    checkArguments(complete);
    return withStoreLease(home, () =>
      withDevice(complete, context, (device) => runSearch(complete, context, device, saved)),
    );
  },
};

async function runSearch(
  argv: SearchArguments,
  context: CommandContext,
  findDevice: () => Promise<SearchDevice>,
  saved?: SavedSearch,
): Promise<ExitCode> {
  const known = await loadFamilies();
  const families = argv.family.map((text) => resolveFamily(text, known));
  const budgetBytes = parseBytes(argv.budget, "--budget");
  const cacheBytes = parseBytes(argv.cacheBytes, "--cache-bytes");
  if (!saved && families.length === 0 && argv.models === undefined && argv.where === undefined) {
    throw new InputError("no candidates: name a --family, a list of --models, or a condition --where");
  }
  await crawlWhatIsMissing(families, context, findDevice);
  const asked = { argv, context, families, budgetBytes, cacheBytes, findDevice, saved };
  if (argv.explain) return searchCandidates(asked);
  // starts while the catalog and the items are read
  const device = argv.device === "auto" ? undefined : argv.device;
  const runner = new PlanRunner({ threads: availableParallelism(), budgetBytes, device });
  try {
    return await searchCandidates(asked, runner);
  } finally {
    await runner.close();
  }
}

interface AskedSearch {
  readonly argv: SearchArguments;
  readonly context: CommandContext;
  readonly families: readonly Family[];
  readonly budgetBytes: number;
  readonly cacheBytes: number;
  readonly findDevice: () => Promise<SearchDevice>;
  readonly saved: SavedSearch | undefined;
}

async function searchCandidates(
  { argv, context, families, budgetBytes, cacheBytes, findDevice, saved }: AskedSearch,
  runner?: PlanRunner,
): Promise<ExitCode> {
  const { output, home, signal } = context;
  const dataPath = argv.data ?? packageFile("data", "sample-images");
  if (argv.data === undefined) output.log("no --data: using the sample pictures that ship (data/sample-images)");
  const dataSet = await loadDataSet({
    path: dataPath,
    test: argv.test,
    seed: argv.seed,
    home,
    skipBadItems: argv.skipBadItems,
    columns: columnsOf(argv),
    fetchHub: hubFetcher(context),
    signal,
  });
  for (const note of dataSet.notes) output.log(note);
  const store = openBlockStore(home);
  const choice = { families, list: argv.models, where: argv.where, imageSize: argv.imageSize, saved };
  const loaded = await chooseCandidates(choice, dataSet.kind, store, context);
  const { candidates } = loaded;
  const { device, adapter, deviceBudgetBytes, devices, hold } = await findDevice();
  const options: SearchOptions = {
    home,
    store,
    candidates,
    dataSet,
    strategy: argv.strategy,
    proxy: argv.proxy,
    top: argv.top,
    seed: argv.seed,
    rounds: argv.rounds,
    imageSize: argv.imageSize,
    precision: argv.precision,
    budgetBytes,
    cacheBytes,
    batchSize: argv.batchSize,
    threads: availableParallelism(),
    device,
    adapter,
    deviceBudgetBytes,
    signal,
  };
  if (argv.explain) return printPlan(options, context);
  const fingerprint = await fingerprintDataSet(dataSet, { signal });
  if (saved && saved.dataSet !== fingerprint) throw new InputError(`the data set is not the one of run ${saved.run}`);
  const run = saved?.run ?? newRunId();
  const startedAt = saved?.startedAt ?? new Date().toISOString();
  const save = (state: SearchState) =>
    saveSearch(home, {
      run,
      startedAt,
      args: keptArguments(argv),
      candidates: candidates.map(({ modelId, revision }) => ({ model: modelId, revision })),
      dataSet: fingerprint,
      state,
    });
  if (!saved) await save({ rounds: [], scores: [], failed: [] });
  output.log(
    `run ${run}: ${candidates.length} models, ${dataSet.train.length} training and ${dataSet.test.length} test items of ${dataSet.classes.length} classes`,
  );
  const progress = searchProgress(output);
  const finish = async (result: SearchResult, status: "done" | "interrupted"): Promise<void> => {
    progress.stop();
    const failed = [...loaded.failed, ...result.failed];
    const document = {
      run,
      family: families.map(({ name }) => name).join(",") || null,
      strategy: argv.strategy,
      proxy: argv.proxy,
      seed: argv.seed,
      device,
      ...(devices && { devices }),
      precision: argv.precision,
      models: candidates.length,
      items: result.items,
      rounds: result.rounds,
      ranking: result.ranking,
      failed,
      fallbacks: result.fallbacks,
      tuned: result.tuned,
      cost: result.cost,
      seconds: result.seconds,
    };
    output.json(document);
    printRanking(document, output);
    if (argv.report !== undefined) {
      await writeFile(argv.report, searchReport({ ...document, dataSet: dataSet.name }));
      output.log(`wrote ${argv.report}`);
    }
    await recordRun(home, { ...document, startedAt, status, dataSet: dataPath, args: keptArguments(argv) }, output.log);
  };
  try {
    const asked = { ...options, runner, resume: saved?.state, onRound: save, onEvent: progress.onEvent };
    const result = await hold((bytes) => search({ ...asked, deviceBudgetBytes: bytes }));
    await finish(result, "done");
    await pruneCaches({ home, maxBytes: cacheBytes });
    return loaded.failed.length + result.failed.length > 0 ? EXIT.partly : EXIT.done;
  } catch (cause) {
    progress.stop();
    if (!(cause instanceof SearchInterrupted)) throw cause;
    await finish(cause.result, "interrupted");
    output.log(
      `interrupted; go on with: alsatian search --resume ${run}${context.home.endsWith("data/home") ? "" : ` --home ${home}`}`,
    );
    return EXIT.interrupted;
  }
}

async function printPlan(options: SearchOptions, { output }: CommandContext): Promise<ExitCode> {
  const { plan, rounds, tuned } = await explainSearch(options);
  const items = options.dataSet.train.length + options.dataSet.test.length;
  output.json({ rounds, plan, tuned });
  for (const line of explain({
    ...options,
    deviceBudgetBytes: options.deviceBudgetBytes ?? 0,
    tuned,
    rounds,
    plan,
    share: options.strategy === "alsatian",
    items,
  }))
    output.print(line);
  return EXIT.done;
}
