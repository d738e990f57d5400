import { availableParallelism } from "node:os";
import type { Argv } from "yargs";
import { PRECISIONS, type Precision } from "../../crawler/export/precision.ts";
import { formatBytes } from "../../crawler/format-bytes.ts";
import { parseBytes } from "../../crawler/parse-bytes.ts";
import { DEVICE_CHOICES, type AskedDevice } from "../../search/device/choose-device.ts";
import { deviceBudget } from "../../search/device/device-budget.ts";
import { deviceWords } from "../../search/device/device-words.ts";
import { findDevice } from "../../search/device/find-device.ts";
import { formatTable } from "../terminal/table.ts";
import { caseOf, inFolder } from "./bench-options.ts";
import { benchTuning, type TuningFigures } from "./bench-tuning.ts";
import { BENCH_ARCHITECTURES } from "./fake-checkpoint.ts";
import { SHARINGS } from "./make-snapshots.ts";

/** Adds `bench tuning`: measured settings against the fixed defaults. */
export const addTuningBench = (parser: Argv, signal: AbortSignal): Argv =>
  parser.command(
    "tuning",
    "time a search with measured settings against the fixed defaults",
    (command) =>
      command
        .option("architecture", { choices: BENCH_ARCHITECTURES, default: "resnet-18" })
        .option("sharing", { choices: SHARINGS, default: "top-layers" })
        .option("models", { type: "number", default: 8, describe: "snapshots" })
        .option("train", { type: "number", default: 640, describe: "training items" })
        .option("test", { type: "number", default: 160, describe: "test items" })
        .option("image-size", { type: "number", default: 64, describe: "in pixels" })
        .option("budget", { type: "string", default: "4GB", describe: "memory for a search, as of alsatian search" })
        .option("device", { choices: DEVICE_CHOICES, default: "cpu" as AskedDevice, describe: "where inference runs" })
        .option("device-budget", { type: "string", describe: "memory of the device [default: 80 % of what is free]" })
        .option("precision", { choices: PRECISIONS, default: "fp32" as Precision, describe: "of inference" })
        .option("threads", { type: "number", default: availableParallelism(), describe: "of a graph" })
        .option("runs", { type: "number", default: 5, describe: "of each; medians count" })
        .option("seed", { type: "number", default: 0, describe: "of weights, items and order" })
        .option("json", { type: "boolean", default: false, describe: "print one JSON document to stdout" })
        .option("home", { type: "string", describe: "folder to work in [default: a temporary one]" }),
    async (argv) => {
      await inFolder(argv.home, "tuning", async (home) => {
        const { probe } = await findDevice(argv.device, { signal });
        process.stderr.write(`${deviceWords(probe)}\n`);
        const { device } = probe;
        const figures = await benchTuning({
          ...caseOf(argv),
          budgetBytes: parseBytes(argv.budget, "--budget"),
          ...{ device, deviceBudgetBytes: device === "cpu" ? 0 : deviceBudget(argv.deviceBudget, probe).bytes },
          precision: argv.precision,
          home,
          signal,
          log: (line) => void process.stderr.write(`${line}\n`),
        });
        process.stdout.write(argv.json ? `${JSON.stringify({ tuning: figures }, null, 2)}\n` : `${format(figures)}\n`);
      });
    },
  );

const TITLES = "settings,total s,over defaults,fastest to slowest s,load s,inference s,batch x threads + ahead".split(
  ",",
);

const rowOf = ({ variant, total, ratio, totals, load, inference, tuned }: TuningFigures): string[] => [
  variant,
  total.toFixed(2),
  `${ratio.toFixed(3)}x`,
  `${Math.min(...totals).toFixed(2)} to ${Math.max(...totals).toFixed(2)}`,
  load.toFixed(2),
  inference.toFixed(2),
  [...new Set(tuned.map(({ batchSize, threads, loadAhead }) => `${batchSize} x ${threads} + ${loadAhead}`))].join(", "),
];

function format(figures: readonly TuningFigures[]): string {
  const table = formatTable(
    TITLES.map((title, index) => ({ title, isNumber: index > 0 && index < TITLES.length - 1 })),
    figures.map(rowOf),
  );
  const speeds = figures
    .filter(({ variant }) => variant === "measured")
    .flatMap(({ tuned }) => tuned.map((one) => Object.values(one.speeds).map((bytes) => `${formatBytes(bytes)}/s`)));
  return [table, `weights, disk, device: ${speeds.map((one) => one.join(" ")).join("; ")}`].join("\n");
}
