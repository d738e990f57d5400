import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import type { Argv } from "yargs";
import { InputError } from "../../crawler/errors.ts";
import { formatBytes } from "../../crawler/format-bytes.ts";
import { escapeHtml } from "../../indexer/html/escape-html.ts";
import { htmlPage, htmlTable } from "../../indexer/html/page.ts";
import { formatTable } from "../terminal/table.ts";
import { benchBudgets, type BudgetFigures } from "./bench-budgets.ts";
import { caseOf, inFolder, list, whole } from "./bench-options.ts";
import { BENCH_ARCHITECTURES } from "./fake-checkpoint.ts";
import { SHARINGS } from "./make-snapshots.ts";

/** Adds `bench budgets`: what a search takes with less and less memory. */
export const addBudgetsBench = (parser: Argv, signal: AbortSignal): Argv =>
  parser.command(
    "budgets",
    "time a search with less and less memory",
    (command) =>
      command
        .option("architecture", { choices: BENCH_ARCHITECTURES, default: "resnet-18" })
        .option("sharing", { choices: SHARINGS, default: "top-layers" })
        .option("models", { type: "number", default: 16, describe: "snapshots" })
        .option("shares", { ...list, default: ["1", "1/2", "1/4", "1/8", "1/16"], describe: "of unlimited memory" })
        .option("train", { type: "number", default: 640, describe: "training items" })
        .option("test", { type: "number", default: 160, describe: "test items" })
        .option("image-size", { type: "number", default: 64, describe: "in pixels" })
        .option("batch-size", { type: "number", describe: "items that a graph takes at a time [default: as a search]" })
        .option("threads", { type: "number", default: availableParallelism(), describe: "cores that run batches" })
        .option("runs", { type: "number", default: 3, describe: "of each budget; medians count" })
        .option("seed", { type: "number", default: 0, describe: "of weights, items and order" })
        .option("json", { type: "boolean", default: false, describe: "print one JSON document to stdout" })
        .option("html", { type: "string", describe: "also write a picture as a page: FILE.html" })
        .option("home", { type: "string", describe: "folder to work in [default: a temporary one]" }),
    async (argv) => {
      await inFolder(argv.home, "budgets", async (home) => {
        const figures = await benchBudgets({
          ...caseOf(argv),
          shares: argv.shares.map(parseShare),
          batchSize: argv.batchSize === undefined ? undefined : whole("--batch-size", argv.batchSize, 1),
          home,
          signal,
          log: (line) => void process.stderr.write(`${line}\n`),
        });
        process.stdout.write(argv.json ? `${JSON.stringify({ budgets: figures }, null, 2)}\n` : `${format(figures)}\n`);
        if (argv.html !== undefined) await writeFile(argv.html, page(figures));
      });
    },
  );

/** `1/8` or `0.125`. */
function parseShare(text: string): number {
  const [numerator = NaN, denominator = 1] = text.split("/").map(Number);
  const share = numerator / denominator;
  if (share > 0 && share <= 1) return share;
  throw new InputError(`--shares: expected numbers up to 1 such as 1/8, got ${text}`);
}

const TITLES = "share,budget,total s,slower,load s,inference s,loaded,peak,process of inference".split(",");

const rowOf = ({ share, total, slower, load, inference, ...bytes }: BudgetFigures): string[] => [
  share < 1 ? `1/${Math.round(1 / share)}` : "1",
  formatBytes(bytes.budgetBytes),
  total.toFixed(2),
  `${slower.toFixed(2)}x`,
  load.toFixed(2),
  inference.toFixed(2),
  ...[bytes.bytesLoaded, bytes.peakBytes, bytes.residentBytes].map(formatBytes),
];

const format = (figures: readonly BudgetFigures[]): string =>
  formatTable(
    TITLES.map((title, index) => ({ title, isNumber: index > 0 })),
    figures.map(rowOf),
  );

const WIDTH = 640;
const ROW = 32;

const page = (figures: readonly BudgetFigures[]): string => {
  const longest = Math.max(...figures.map(({ total }) => total));
  const bars = figures.map((figure, index) => {
    const [share = "", budget = "", total = "", slower = ""] = rowOf(figure);
    const width = ((WIDTH - 260) * figure.total) / longest;
    const y = index * ROW;
    return `<text x="130" y="${y + 19}" text-anchor="end">${share} = ${escapeHtml(budget)}</text><rect x="140" y="${y + 4}" width="${width.toFixed(1)}" height="22"/><text x="${(146 + width).toFixed(1)}" y="${y + 19}">${total} s, ${slower}</text>`;
  });
  return htmlPage({
    title: "A search with less memory",
    subtitle: "Total time by the share of the memory that the search takes without a limit. Scores are the same.",
    style: "svg text { font: 12px system-ui, sans-serif; fill: var(--text) } rect { fill: var(--same) }",
    body: `<div class="wide"><svg width="${WIDTH}" height="${figures.length * ROW}" role="img" aria-label="seconds by budget">\n${bars.join("\n")}\n</svg></div>\n${htmlTable(TITLES, figures.map(rowOf), 1)}`,
  });
};
