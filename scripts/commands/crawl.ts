import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { setFlagsFromString } from "node:v8";
import { InputError } from "../../crawler/errors.ts";
import { isModelId, loadFamilies, resolveFamily } from "../../crawler/families.ts";
import { formatBytes } from "../../crawler/format-bytes.ts";
import { parseBytes } from "../../crawler/parse-bytes.ts";
import { openCatalogWriter, openForgetfulWriter, type CatalogWriter } from "../../indexer/catalog/catalog-writer.ts";
import { keepSnapshots } from "../../indexer/catalog/keep-snapshots.ts";
import { formatMetrics } from "../../indexer/crawl-metrics.ts";
import { crawl } from "../../indexer/crawl.ts";
import type { CrawlReport, PlannedReads } from "../../indexer/crawl-report.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import { writeDurably } from "../../indexer/store/durable-file.ts";
import { startProgress } from "../terminal/progress.ts";
import { formatTable } from "../terminal/table.ts";
import { EXIT, withHub, type Command, type CommandContext, type ExitCode } from "./common.ts";

/** What `crawl` takes; a search that crawls first uses the same. */
export interface CrawlArguments {
  readonly family: readonly string[];
  readonly model: readonly string[];
  readonly models?: string | undefined;
  readonly limit?: number | undefined;
  readonly metadataOnly: boolean;
  readonly concurrency: number;
  readonly dryRun: boolean;
  readonly maxBytes?: string | undefined;
  readonly includePickle: boolean;
  readonly tensors: "backbone" | "all";
  readonly verify: boolean;
  readonly xet: boolean;
  readonly all: boolean;
  readonly fullListing: boolean;
  readonly keep?: number | undefined;
  readonly metrics?: string | undefined;
}

/** What `crawl` takes where nothing is said; a command that crawls first adds what. */
export const CRAWL_DEFAULTS: CrawlArguments = {
  family: [],
  model: [],
  metadataOnly: false,
  concurrency: 4,
  dryRun: false,
  includePickle: false,
  tensors: "backbone",
  verify: false,
  xet: process.env.ALSATIAN_NO_XET !== "1",
  all: false,
  fullListing: false,
};

/**
 * By how much V8's heap may grow over what is alive before it collects. By itself V8 lets 45 MB become 180, as models
 * under way grow old before they become garbage.
 */
const HEAP_GROWTH_PERCENT = 50;

export const crawlCommand: Command<CrawlArguments> = {
  command: "crawl",
  describe: "find the models of families, read what is new, export and index it",
  builder: (yargs) =>
    yargs
      .option("family", { type: "string", array: true, default: [], describe: "families, by name or base model id" })
      .option("model", { type: "string", array: true, default: [], describe: "single models, by id" })
      .option("models", { type: "string", describe: "file with one model id a line" })
      .option("all", { type: "boolean", default: false, describe: "every model that the hub lists" })
      .option("full-listing", {
        type: "boolean",
        default: false,
        describe: "read listings to their end, which finds what has gone (done weekly by itself)",
      })
      .option("keep", { type: "number", describe: "keep dated copies of the catalog, the newest so many" })
      .option("metrics", {
        type: "string",
        describe: "file to write what the crawl did to, in Prometheus' text format",
      })
      .option("limit", { type: "number", describe: "at most so many models that are new or changed" })
      .option("metadata-only", { type: "boolean", default: false, describe: "listings and headers, no weights" })
      .option("concurrency", { type: "number", default: 4, describe: "models that are read at the same time" })
      .option("dry-run", { type: "boolean", default: false, describe: "say what would be read, change nothing" })
      .option("max-bytes", { type: "string", describe: "begin no model once so much has come down, such as 50GB" })
      .option("include-pickle", {
        type: "boolean",
        default: false,
        describe: "also read torch .bin files (they are parsed, never executed)",
      })
      .option("tensors", {
        choices: ["backbone", "all"] as const,
        default: "backbone" as const,
        describe: "all: read and hash the heads too",
      })
      .option("verify", {
        type: "boolean",
        default: false,
        describe:
          "read every weight file of the hub whole, known or not, and compare it with its sha256 (index --verify checks the store)",
      })
      .option("xet", {
        type: "boolean",
        default: process.env.ALSATIAN_NO_XET !== "1",
        describe:
          "read large files by the Xet protocol, which tells what is known (--no-xet, ALSATIAN_NO_XET=1: do not)",
        defaultDescription: "yes",
      })
      .example("$0 crawl --family detr-resnet-50", "the base, its fine-tunes, and all they share")
      .example("$0 crawl --family detr-resnet-50 --hub sample", "the same, offline, from the hub that ships")
      .example("$0 crawl --family detr-resnet-50 --dry-run", "what that would fetch")
      .example("$0 crawl --model acme/my-detr --tensors all", "one model, with its heads"),
  async handler(argv, context) {
    setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
    const report = await runCrawl(argv, context);
    context.output.json(report);
    for (const line of describeReport(report)) context.output.print(line);
    return exitCodeOf(report, argv);
  },
};

/** Models that were asked for by id and all have a problem are wrong input; else problems of some don't hide the rest. */
function exitCodeOf({ failed, models }: CrawlReport, argv: CrawlArguments): ExitCode {
  if (failed.length === 0) return EXIT.done;
  return argv.family.length === 0 && failed.length === models.listed ? EXIT.usage : EXIT.partly;
}

/** Crawls, with a bar on the terminal. */
export async function runCrawl(argv: CrawlArguments, context: CommandContext): Promise<CrawlReport> {
  const known = await loadFamilies();
  const families = argv.family.map((text) => resolveFamily(text, known));
  const models = [...argv.model, ...(argv.models === undefined ? [] : await readModelList(argv.models))];
  const odd = models.find((id) => !isModelId(id));
  if (odd !== undefined) throw new InputError(`${JSON.stringify(odd)} is not a model id (org/name)`);
  if (families.length + models.length === 0 && !argv.all) {
    throw new InputError("nothing to crawl: name a --family or a --model, or --all");
  }
  checkCount("--limit", argv.limit, 0);
  checkCount("--concurrency", argv.concurrency, 1);
  checkCount("--keep", argv.keep, 1);
  const maxBytes = argv.maxBytes === undefined ? undefined : parseBytes(argv.maxBytes, "--max-bytes");
  const { home, output, signal } = context;
  const catalog = await (argv.dryRun ? openForgetfulWriter(home) : openCatalogWriter(home));
  const progress = startProgress(output, "crawl");
  const store = openBlockStore(home);
  try {
    if (!argv.dryRun) await store.removeTemporary(); // of a crawl that was killed; the catalog is ours
    const report = await withHub(
      context,
      (client) => {
        let listed = 0;
        let done = 0;
        return crawl({
          client,
          catalog,
          store,
          families,
          models,
          everything: argv.all,
          tensors: argv.tensors,
          concurrency: argv.concurrency,
          limit: argv.limit,
          maxBytes,
          metadataOnly: argv.metadataOnly,
          dryRun: argv.dryRun,
          includePickle: argv.includePickle,
          verify: argv.verify,
          xet: argv.xet,
          fullListing: argv.fullListing,
          hubName: context.hub === "sample" ? "sample" : undefined,
          signal,
          onEvent: (event) => {
            if (event.kind === "family") output.log(`crawling ${event.family} from ${client.url}`);
            if (event.kind === "listed") listed = event.models;
            if (event.kind === "done") {
              done++;
              if (event.outcome === "failed") output.log(`${event.model}: ${event.reason ?? "failed"}`);
            }
            progress.update(done, listed, `${formatBytes(client.traffic.bytes)}`);
          },
        });
      },
      argv.concurrency * 4,
    );
    if (argv.keep !== undefined && !argv.dryRun) await keepSnapshots(home, argv.keep, catalog.now());
    return report;
  } finally {
    progress.stop();
    if (argv.metrics !== undefined && !argv.dryRun) await writeMetrics(resolve(argv.metrics), catalog);
    await catalog.close();
  }
}

/** Tells a monitor what became of the crawl, whatever that is. */
async function writeMetrics(path: string, catalog: CatalogWriter): Promise<void> {
  const latest = await catalog.latestCrawl();
  if (latest) await writeDurably(path, formatMetrics(latest, await catalog.lastSuccess()));
}

/** Model ids from a file, one a line; `#` begins a comment. @throws InputError when it cannot be read */
export async function readModelList(path: string): Promise<string[]> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new InputError(`cannot read the list of models ${JSON.stringify(path)}`, { cause });
  });
  return text
    .split(/\r?\n/)
    .map((line) => line.replace(/#.*/, "").trim())
    .filter((line) => line !== "");
}

function checkCount(option: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least)) return;
  throw new InputError(`${option}: expected a whole number of at least ${least}, got ${value}`);
}

/** More problems than these are counted by reason; the catalog has them all. */
const MAX_LISTED = 20;

const countReasons = (reasons: CrawlReport["reasons"]): string[] =>
  Object.entries(reasons)
    .sort(([, a], [, b]) => b - a)
    .slice(0, MAX_LISTED)
    .map(([reason, count]) => `  ${count} × ${reason}`);

/** What did not have to be read, and why. */
function describeEvidence({ file, xet }: CrawlReport["bytes"]["weights"]): string[] {
  const parts = [
    ...(file > 0 ? [`${formatBytes(file)} lie in files of the same hash`] : []),
    ...(xet > 0 ? [`${formatBytes(xet)} in the same chunks of the hub's store`] : []),
  ];
  return parts.length > 0 ? [`not read because known: ${parts.join(", ")}`] : [];
}

function describePlan({ list, ...planned }: PlannedReads, models: CrawlReport["models"]): string[] {
  const columns = [
    { title: "model" },
    { title: "" },
    { title: "requests", isNumber: true },
    { title: "bytes", isNumber: true },
  ];
  const rows = list.map(({ model, isNew, requests, bytes }) => [
    model,
    isNew ? "new" : "changed",
    String(requests),
    formatBytes(bytes),
  ]);
  return [
    ...(rows.length > 0 ? [formatTable(columns, rows)] : []),
    ...(planned.models > rows.length ? [`… and ${planned.models - rows.length} more`] : []),
    `${planned.models} models would be read: ${planned.requests} requests, ${formatBytes(planned.bytes)} of weights ` +
      `(${models.unchanged} unchanged, ${models.carried} with a new revision of the same weights)`,
  ];
}

/** A crawl in a few lines, for people. */
export function describeReport({
  models,
  bytes,
  requests,
  seconds,
  failed,
  reasons,
  planned,
  plain,
  waiting,
}: CrawlReport): string[] {
  if (planned) return describePlan(planned, models);
  const counts = (["indexed", "carried", "metadata", "unchanged", "unsupported", "gated", "failed", "gone"] as const)
    .filter((kind) => models[kind] > 0)
    .map((kind) => `${models[kind]} ${kind}`);
  return [
    `${models.listed} models: ${counts.join(", ") || "none"}`,
    `${formatBytes(bytes.downloaded)} downloaded in ${requests} requests and ${seconds.toFixed(1)} s; ` +
      `${formatBytes(bytes.stored)} of new blocks stored, for ${formatBytes(bytes.logical)} of backbones`,
    ...describeEvidence(bytes.weights),
    ...Object.entries(plain).map(([reason, files]) => `${files} large files read by plain ranges: ${reason}`),
    ...(waiting > 0 ? [`${waiting} models are listed and still to be read: the next crawl goes on with them`] : []),
    ...failed.slice(0, MAX_LISTED).map(({ model, reason }) => `  ${model}: ${reason}`),
    ...(failed.length > MAX_LISTED ? [`  … and ${failed.length - MAX_LISTED} more`] : []),
    ...(Object.keys(reasons).length > 0 ? ["by reason:", ...countReasons(reasons)] : []),
  ];
}
