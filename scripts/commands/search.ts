import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { InputError } from "../../crawler/errors.ts";
import { loadFamilies, resolveFamily, shortName, type Family } from "../../crawler/families.ts";
import { formatBytes } from "../../crawler/format-bytes.ts";
import { packageFile } from "../../crawler/package-file.ts";
import { parseBytes } from "../../crawler/parse-bytes.ts";
import { openCatalogReader } from "../../indexer/catalog/catalog-reader.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import { fingerprintDataSet } from "../../search/data/fingerprint-items.ts";
import { loadDataSet } from "../../search/data/load-data-set.ts";
import { loadCandidates } from "../../search/load-candidates.ts";
import { PROXY_NAMES } from "../../search/proxy/proxy.ts";
import { explain } from "../../search/report/explain.ts";
import { searchReport } from "../../search/report/search-report.ts";
import { recordRun } from "../../search/record-run.ts";
import {
  explainSearch,
  newRunId,
  search,
  SearchInterrupted,
  type SearchEvent,
  type SearchOptions,
  type SearchResult,
} from "../../search/search.ts";
import { STRATEGIES, type Strategy } from "../../search/strategy.ts";
import { loadSearch, saveSearch, type SavedSearch, type SearchState } from "../../search/search-state.ts";
import { startProgress } from "../terminal/progress.ts";
import { formatTable } from "../terminal/table.ts";
import { EXIT, hubFetcher, type Command, type CommandContext, type ExitCode } from "./common.ts";
import { describeReport, readModelList, runCrawl } from "./crawl.ts";

interface SearchArguments {
  readonly family: readonly string[];
  readonly where?: string | undefined;
  readonly models?: string | undefined;
  readonly data?: string | undefined;
  readonly test?: string | undefined;
  readonly strategy: Strategy;
  readonly proxy: string;
  readonly layers: "last" | "mean" | "best";
  readonly top: number;
  readonly budget: string;
  readonly device: string;
  readonly imageSize?: number | undefined;
  readonly batchSize: number;
  readonly seed: number;
  readonly rounds?: number | undefined;
  readonly skipBadItems: boolean;
  readonly imageColumn?: string | undefined;
  readonly textColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
  readonly splitColumn?: string | undefined;
  readonly explain: boolean;
  readonly report?: string | undefined;
  readonly resume?: string | undefined;
}

export const searchCommand: Command<SearchArguments> = {
  command: "search",
  describe: "rank candidate models for a data set",
  builder: (yargs) =>
    yargs
      .option("family", { type: "string", array: true, default: [], describe: "families whose models are candidates" })
      .option("where", { type: "string", describe: "candidates: a condition in SQL on the catalog's table models" })
      .option("models", { type: "string", describe: "candidates: a file with one model id a line" })
      .option("data", {
        type: "string",
        describe: "folder train/<class>/*.png; a CSV, JSONL or Parquet file; or hf:org/name",
      })
      .option("test", { type: "string", describe: "the test part, where it is not beside the training part" })
      .option("strategy", {
        choices: STRATEGIES,
        default: "alsatian" as Strategy,
        describe: "share blocks, halve each model alone, or score all on everything",
      })
      .option("proxy", { choices: PROXY_NAMES, default: "linear", describe: "the score on features" })
      .option("layers", {
        choices: ["last", "mean", "best"] as const,
        default: "last" as const,
        describe: "which layers' values make the feature",
      })
      .option("top", { type: "number", default: 1, describe: "how many models the halving keeps" })
      .option("budget", { type: "string", default: "4GB", describe: "memory for intermediates, weights and caches" })
      .option("device", {
        choices: ["auto", "cpu", "cuda", "webgpu", "dml", "coreml"] as const,
        default: "auto",
        describe: "where inference runs",
      })
      .option("image-size", { type: "number", describe: "pictures of N x N pixels, whatever the models ask for" })
      .option("batch-size", { type: "number", default: 32, describe: "items that a graph takes at a time" })
      .option("seed", { type: "number", default: 0, describe: "decides the order of the training items" })
      .option("rounds", { type: "number", describe: "rounds of halving [default: from the candidates to --top]" })
      .option("skip-bad-items", {
        type: "boolean",
        default: false,
        describe: "go on without pictures that cannot be read",
      })
      .option("image-column", { type: "string", describe: "of a table: the pictures [default: found by its name]" })
      .option("text-column", { type: "string", describe: "of a table: the texts [default: found by its name]" })
      .option("label-column", { type: "string", describe: "of a table: the classes [default: found by its name]" })
      .option("split-column", { type: "string", describe: "of a table: which part a row belongs to" })
      .option("explain", { type: "boolean", default: false, describe: "print the plan and run nothing" })
      .option("report", { type: "string", describe: "also write the result as a page: FILE.html" })
      .option("resume", { type: "string", describe: "go on with an interrupted run" })
      .example("$0 search --family detr-resnet-50 --hub sample", "offline, on the data that ships")
      .example("$0 search --family detr-resnet-50 --data ~/pictures --top 3", "on your own pictures")
      .example(
        "$0 search --where \"parameters < 50e6 and license = 'mit'\" --data ~/pictures",
        "any models of the catalog",
      )
      .example("$0 search --family detr-resnet-50 --explain", "what would run, in which order, in how much memory"),
  async handler(argv, context) {
    const saved = argv.resume === undefined ? undefined : await loadSearch(context.home, argv.resume);
    const asked = saved ? ({ ...argv, ...saved.args } as SearchArguments) : argv;
    return runSearch({ ...asked, data: absolute(asked.data), test: absolute(asked.test) }, context, saved);
  },
};

/** A run is gone on with from any folder. */
const absolute = (path: string | undefined): string | undefined =>
  path === undefined || path.startsWith("hf:") ? path : resolve(path);

async function runSearch(argv: SearchArguments, context: CommandContext, saved?: SavedSearch): Promise<ExitCode> {
  const { output, home, signal } = context;
  checkArguments(argv);
  const families = argv.family.map((text) => text);
  const known = await loadFamilies();
  const resolved = families.map((text) => resolveFamily(text, known));
  const budgetBytes = parseBytes(argv.budget, "--budget");
  const models =
    saved?.candidates.map(({ model }) => model) ?? (argv.models ? await readModelList(argv.models) : undefined);
  if (resolved.length === 0 && models === undefined && argv.where === undefined) {
    throw new InputError("no candidates: name a --family, a list of --models, or a condition --where");
  }
  await crawlWhatIsMissing(resolved, context);
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
  const reader = await openCatalogReader(home);
  let loaded: Awaited<ReturnType<typeof loadCandidates>>;
  try {
    const listed = await reader.listModels({
      ...(resolved.length > 0 && { families: resolved.map(({ base }) => base) }),
      ...(models !== undefined && { modelIds: models }),
      ...(argv.where !== undefined && { where: argv.where }),
    });
    const missing = models?.find((id) => !listed.some(({ modelId }) => modelId === id));
    if (missing !== undefined)
      throw new InputError(`the catalog has no model ${missing}; crawl it first: alsatian crawl --model ${missing}`);
    const indexed = listed.filter(({ status }) => status === "indexed");
    loaded = await loadCandidates(reader, store, indexed, dataSet.kind, argv.imageSize);
  } finally {
    reader.close();
  }
  const { candidates } = loaded;
  const [why] = loaded.failed;
  if (candidates.length === 0) {
    throw new InputError(
      why ? `no candidate can take part: ${why.model}: ${why.reason}` : "no candidate of that choice is indexed",
    );
  }
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
    budgetBytes,
    batchSize: argv.batchSize,
    threads: availableParallelism(),
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
  const progress = progressOf(context);
  const finish = async (result: SearchResult, status: "done" | "interrupted"): Promise<void> => {
    progress.stop();
    const failed = [...loaded.failed, ...result.failed];
    const document = {
      run,
      family: resolved.map(({ name }) => name).join(",") || null,
      strategy: argv.strategy,
      proxy: argv.proxy,
      seed: argv.seed,
      device: "cpu",
      models: candidates.length,
      items: result.items,
      rounds: result.rounds,
      ranking: result.ranking,
      failed,
      cost: result.cost,
      seconds: result.seconds,
    };
    output.json(document);
    printRanking(document, context);
    if (argv.report !== undefined) {
      await writeFile(argv.report, searchReport({ ...document, dataSet: dataSet.name }));
      output.log(`wrote ${argv.report}`);
    }
    await recordRun(home, { ...document, startedAt, status, dataSet: dataPath, args: keptArguments(argv) }, output.log);
  };
  try {
    const result = await search({
      ...options,
      resume: saved?.state,
      onRound: save,
      onEvent: progress.onEvent,
    });
    await finish(result, "done");
    return result.failed.length > 0 ? EXIT.partly : EXIT.done;
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

const KEPT = [
  "family",
  "data",
  "test",
  "strategy",
  "proxy",
  "layers",
  "top",
  "imageSize",
  "seed",
  "rounds",
  "skipBadItems",
  "imageColumn",
  "textColumn",
  "labelColumn",
  "splitColumn",
] as const;

/** What a resumed run needs to be the same run. */
const keptArguments = (argv: SearchArguments): Record<string, unknown> => ({
  ...Object.fromEntries(KEPT.flatMap((key) => (argv[key] === undefined ? [] : [[key, argv[key]]]))),
  columns: columnsOf(argv),
});

/** The columns of a table that the user names. */
function columnsOf({ imageColumn, textColumn, labelColumn, splitColumn }: SearchArguments) {
  const named = { image: imageColumn, text: textColumn, label: labelColumn, split: splitColumn };
  return Object.fromEntries(Object.entries(named).flatMap(([key, name]) => (name === undefined ? [] : [[key, name]])));
}

function checkArguments(argv: SearchArguments): void {
  const whole = (option: string, value: number | undefined, least: number) => {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least)) {
      throw new InputError(`${option}: expected a whole number of at least ${least}, got ${value}`);
    }
  };
  whole("--top", argv.top, 1);
  whole("--batch-size", argv.batchSize, 1);
  whole("--seed", argv.seed, 0);
  whole("--rounds", argv.rounds, 1);
  whole("--image-size", argv.imageSize, 1);
  if (argv.layers !== "last") throw new InputError(`--layers ${argv.layers} is not supported yet; only "last" is`);
  if (argv.device !== "auto" && argv.device !== "cpu") {
    throw new InputError(`--device ${argv.device} is not supported yet; inference runs on the cpu`);
  }
}

/** A family of which the home holds nothing is crawled first. */
async function crawlWhatIsMissing(families: readonly Family[], context: CommandContext): Promise<void> {
  for (const family of families) {
    if (await holdsAny(family, context.home)) continue;
    context.output.log(`nothing of ${shortName(family.base)} is indexed in ${context.home} yet: crawling it first`);
    const report = await runCrawl(
      {
        family: [family.base],
        model: [],
        metadataOnly: false,
        concurrency: 4,
        dryRun: false,
        includePickle: false,
        tensors: "backbone",
      },
      context,
    );
    for (const line of describeReport(report)) context.output.log(line);
  }
}

async function holdsAny(family: Family, home: string): Promise<boolean> {
  try {
    const reader = await openCatalogReader(home);
    try {
      return (await reader.listModels({ families: [family.base], status: "indexed" })).length > 0;
    } finally {
      reader.close();
    }
  } catch (cause) {
    if (cause instanceof InputError) return false; // no catalog yet
    throw cause;
  }
}

async function printPlan(options: SearchOptions, { output }: CommandContext): Promise<ExitCode> {
  const { plan, rounds } = await explainSearch(options);
  const items = options.dataSet.train.length + options.dataSet.test.length;
  output.json({ rounds, plan });
  for (const line of explain({ ...options, rounds, plan, share: options.strategy === "alsatian", items }))
    output.print(line);
  return EXIT.done;
}

function progressOf(context: CommandContext) {
  const prepare = startProgress(context.output, "prepare");
  let bar = prepare;
  return {
    onEvent: (event: SearchEvent) => {
      if (event.kind === "prepare") bar.update(event.done, event.total, "pictures");
      if (event.kind === "round") {
        bar.stop();
        bar = startProgress(context.output, `round ${event.round}/${event.rounds}`);
        bar.update(0, 1, `${event.models} models`);
      }
      if (event.kind === "step") bar.update(event.done, event.total, "steps");
    },
    stop: () => bar.stop(),
  };
}

function printRanking(
  {
    ranking,
    failed,
    cost,
    seconds,
    rounds,
    run,
  }: Pick<SearchResult, "ranking" | "failed" | "cost" | "seconds" | "rounds"> & { readonly run: string },
  { output }: CommandContext,
): void {
  const table = formatTable(
    [
      { title: "rank", isNumber: true },
      { title: "model" },
      { title: "score", isNumber: true },
      { title: "round", isNumber: true },
      { title: "items", isNumber: true },
    ],
    ranking.map(({ rank, model, score, round, items, tied }) => [
      String(rank),
      model,
      `${score.toFixed(4)}${tied ? "=" : " "}`,
      String(round),
      String(items),
    ]),
  );
  output.print(table);
  if (ranking.some(({ tied }) => tied)) output.print("= the same score as another model of its round");
  for (const { model, reason } of failed) output.print(`failed: ${model}: ${reason}`);
  const share = cost.baseBlockItems > 0 ? (100 * cost.blockItems) / cost.baseBlockItems : 0;
  output.print(
    `\n${rounds.length} rounds in ${seconds.total.toFixed(1)} s (data ${seconds.data.toFixed(1)}, load ${seconds.load.toFixed(1)}, inference ${seconds.inference.toFixed(1)}, proxy ${seconds.proxy.toFixed(1)})`,
  );
  output.print(
    `${cost.blockItems} items through blocks, ${share.toFixed(1)} % of what scoring every model on everything takes; peak ${formatBytes(cost.peakBytes)} of ${formatBytes(cost.budget)}; run ${run}`,
  );
}
