import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import yargs from "yargs";
import { InputError } from "../../crawler/errors.ts";
import { PRECISIONS, type Precision } from "../../crawler/export/precision.ts";
import { parseBytes } from "../../crawler/parse-bytes.ts";
import { DEVICE_CHOICES, type AskedDevice } from "../../search/device/choose-device.ts";
import { deviceBudget } from "../../search/device/device-budget.ts";
import { deviceWords } from "../../search/device/device-words.ts";
import { findDevice } from "../../search/device/find-device.ts";
import { PROXY_NAMES } from "../../search/proxy/proxy.ts";
import { STRATEGIES, type Strategy } from "../../search/strategy.ts";
import { list, pick, whole } from "./bench-options.ts";
import { benchSearch, type CaseFigures } from "./bench-search.ts";
import { BENCH_ARCHITECTURES } from "./fake-checkpoint.ts";
import { benchPage, formatCase } from "./format-bench.ts";
import { addBudgetsBench } from "./budgets-command.ts";
import { addConvolutionsBench } from "./convolutions-command.ts";
import { addCrawlBench } from "./crawl-command.ts";
import { addIndexBench } from "./index-command.ts";
import { addTuningBench } from "./tuning-command.ts";
import { SHARINGS } from "./make-snapshots.ts";

/** `npm run bench -- search|budgets|tuning|convolutions|index|crawl`: what docs/bench.md describes. Nothing is fetched. */

/** Slowest first: what the others are measured against. */
const DEFAULT_STRATEGIES: readonly Strategy[] = STRATEGIES.toReversed();

const interrupt = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {
    if (interrupt.signal.aborted) process.exit(130);
    interrupt.abort(new Error("interrupted"));
  });
}

async function main(): Promise<void> {
  const parser = yargs(process.argv.slice(2)).scriptName("bench");
  await [addIndexBench, addCrawlBench, addBudgetsBench, addTuningBench, addConvolutionsBench]
    .reduce((all, add) => add(all, interrupt.signal), parser)
    .command(
      "search",
      "time model search on snapshots of one architecture",
      (command) =>
        command
          .option("architecture", { ...list, default: ["resnet-18"], describe: BENCH_ARCHITECTURES.join(", ") })
          .option("sharing", { ...list, default: ["top-layers"], describe: SHARINGS.join(", ") })
          .option("models", { ...list, default: ["8", "16", "35"], describe: "numbers of snapshots" })
          .option("strategies", { ...list, default: DEFAULT_STRATEGIES, describe: "which to run" })
          .option("train", { type: "number", default: 640, describe: "training items" })
          .option("test", { type: "number", default: 160, describe: "test items" })
          .option("image-size", { type: "number", default: 64, describe: "in pixels" })
          .option("batch-size", {
            type: "number",
            describe: "items that a graph takes at a time [default: as a search]",
          })
          .option("budget", { type: "string", default: "4GB", describe: "memory for a search, as of alsatian search" })
          .option("device", {
            choices: DEVICE_CHOICES,
            default: "cpu" as AskedDevice,
            describe: "where inference runs",
          })
          .option("device-budget", { type: "string", describe: "memory of the device [default: 80 % of what is free]" })
          .option("precision", { choices: PRECISIONS, default: "fp32" as Precision, describe: "of inference" })
          .option("proxy", { choices: PROXY_NAMES, default: "linear", describe: "the score on features" })
          .option("threads", { type: "number", default: availableParallelism(), describe: "cores that run batches" })
          .option("runs", { type: "number", default: 3, describe: "how often each strategy runs; medians count" })
          .option("seed", { type: "number", default: 0, describe: "of weights, items and order" })
          .option("json", { type: "boolean", default: false, describe: "print one JSON document to stdout" })
          .option("html", { type: "string", describe: "also write stacked bars as a page: FILE.html" })
          .option("home", { type: "string", describe: "folder to work in; kept [default: a temporary one]" }),
      async (argv) => {
        const home = argv.home === undefined ? await mkdtemp(join(tmpdir(), "alsatian-bench-")) : resolve(argv.home);
        const cases: CaseFigures[] = [];
        try {
          const { probe } = await findDevice(argv.device, { signal: interrupt.signal });
          process.stderr.write(`${deviceWords(probe)}\n`);
          const { device } = probe;
          const deviceBudgetBytes = device === "cpu" ? 0 : deviceBudget(argv.deviceBudget, probe).bytes;
          for (const architecture of pick("--architecture", argv.architecture, BENCH_ARCHITECTURES)) {
            for (const sharing of pick("--sharing", argv.sharing, SHARINGS)) {
              for (const models of argv.models.map((count) => whole("--models", count, 1))) {
                const folder = join(home, `${architecture}-${sharing}-${models}`);
                await rm(folder, { recursive: true, force: true });
                await mkdir(folder, { recursive: true });
                process.stderr.write(`${architecture}, ${sharing}, ${models} snapshots\n`);
                const figures = await benchSearch({
                  architecture,
                  sharing,
                  models,
                  strategies: pick("--strategies", argv.strategies, STRATEGIES),
                  runs: whole("--runs", argv.runs, 1),
                  train: whole("--train", argv.train, 4),
                  test: whole("--test", argv.test, 4),
                  imageSize: whole("--image-size", argv.imageSize, 32),
                  batchSize: argv.batchSize === undefined ? undefined : whole("--batch-size", argv.batchSize, 1),
                  budgetBytes: parseBytes(argv.budget, "--budget"),
                  threads: whole("--threads", argv.threads, 1),
                  ...{ device, deviceBudgetBytes, precision: argv.precision },
                  proxy: argv.proxy,
                  seed: whole("--seed", argv.seed, 0),
                  home: folder,
                  signal: interrupt.signal,
                  log: (line) => void process.stderr.write(`${line}\n`),
                });
                cases.push(figures);
                if (!argv.json) process.stdout.write(`\n${formatCase(figures)}\n\n`);
                if (argv.home === undefined) await rm(folder, { recursive: true, force: true });
              }
            }
          }
        } finally {
          if (argv.home === undefined) await rm(home, { recursive: true, force: true });
        }
        if (argv.json) process.stdout.write(`${JSON.stringify({ cases }, null, 2)}\n`);
        if (argv.html !== undefined) await writeFile(argv.html, benchPage(cases));
      },
    )
    .demandCommand(1, "name a benchmark: search, budgets, tuning, index, crawl")
    .strict()
    .fail((message, error: Error | undefined) => {
      throw error ?? new InputError(message);
    })
    .parseAsync();
}

try {
  await main();
} catch (cause) {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  process.stderr.write(`${process.env.ALSATIAN_DEBUG ? error.stack : error.message}\n`);
  process.exitCode = cause instanceof InputError ? 2 : interrupt.signal.aborted ? 130 : 1;
}
