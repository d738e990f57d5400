import { resolve } from "node:path";
import type { Argv } from "yargs";
import { InputError } from "../../crawler/errors.ts";
import { PRECISIONS, type Precision } from "../../crawler/export/precision.ts";
import { DEVICE_CHOICES, type AskedDevice } from "../../search/device/choose-device.ts";
import { PROXY_NAMES } from "../../search/proxy/proxy.ts";
import { STRATEGIES, type Strategy } from "../../search/strategy.ts";
import type { CommonArguments } from "./common.ts";

/** What `search` takes. */
export interface SearchArguments {
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
  readonly device: AskedDevice;
  readonly deviceBudget?: string | undefined;
  readonly precision: Precision;
  readonly cacheBytes: string;
  readonly imageSize?: number | undefined;
  readonly batchSize?: number | undefined;
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

export const searchOptions = (yargs: Argv<CommonArguments>) =>
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
    .option("cache-bytes", {
      type: "string",
      default: "20GB",
      describe: "what prepared items, features and laid-out weights may keep on disk; the least used go first",
    })
    .option("device", {
      choices: DEVICE_CHOICES,
      default: "auto" as AskedDevice,
      describe: "where inference runs; auto: the fastest that works here",
    })
    .option("device-budget", {
      type: "string",
      describe: "memory of the device for intermediates and weights [default: 80 % of what is free there]",
    })
    .option("precision", {
      choices: PRECISIONS,
      default: "fp32" as Precision,
      describe: "what inference computes in; fp16 is for devices, the cpu gains nothing by it",
    })
    .option("image-size", { type: "number", describe: "pictures of N x N pixels, whatever the models ask for" })
    .option("batch-size", {
      type: "number",
      describe: "items that a graph takes at a time [default: 32, or what was measured to be faster]",
    })
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
    .example("$0 search --family detr-resnet-50 --explain", "what would run, in which order, in how much memory");

/** A run is gone on with from any folder. */
export const absolute = (path: string | undefined): string | undefined =>
  path === undefined || path.startsWith("hf:") ? path : resolve(path);

const KEPT = [
  "family",
  "data",
  "test",
  "strategy",
  "proxy",
  "layers",
  "top",
  "imageSize",
  "precision",
  "seed",
  "rounds",
  "skipBadItems",
  "imageColumn",
  "textColumn",
  "labelColumn",
  "splitColumn",
] as const;

/** What a resumed run needs to be the same run. */
export const keptArguments = (argv: SearchArguments): Record<string, unknown> => ({
  ...Object.fromEntries(KEPT.flatMap((key) => (argv[key] === undefined ? [] : [[key, argv[key]]]))),
  columns: columnsOf(argv),
});

/** The columns of a table that the user names. */
export function columnsOf({ imageColumn, textColumn, labelColumn, splitColumn }: SearchArguments) {
  const named = { image: imageColumn, text: textColumn, label: labelColumn, split: splitColumn };
  return Object.fromEntries(Object.entries(named).flatMap(([key, name]) => (name === undefined ? [] : [[key, name]])));
}

/** @throws InputError for a value that no search takes */
export function checkArguments(argv: SearchArguments): void {
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
}
