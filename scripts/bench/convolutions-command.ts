import type { Argv } from "yargs";
import { formatTable } from "../terminal/table.ts";
import { benchConvolutions, CASES, type ConvolutionFigures } from "./bench-convolutions.ts";
import { inFolder, whole } from "./bench-options.ts";

/** Adds `bench convolutions`: matrix products against the blocked layout. */
export const addConvolutionsBench = (parser: Argv, signal: AbortSignal): Argv =>
  parser.command(
    "convolutions",
    "time convolutions as matrix products against onnxruntime's blocked layout",
    (command) =>
      command
        .option("runs", { type: "number", default: 40, describe: "batches through each; medians count" })
        .option("json", { type: "boolean", default: false, describe: "print one JSON document to stdout" }),
    async (argv) => {
      const runs = whole("--runs", argv.runs, 1);
      await inFolder(undefined, "convolutions", async (home) => {
        const figures: ConvolutionFigures[] = [];
        for (const one of CASES) {
          signal.throwIfAborted();
          figures.push(await benchConvolutions(one, { home, runs }));
        }
        const text = argv.json ? JSON.stringify({ convolutions: figures }, null, 2) : format(figures);
        process.stdout.write(`${text}\n`);
      });
    },
  );

const TITLES = "map,channels,items,blocked ms,product ms,product over blocked,laying out ms".split(",");

const format = (figures: readonly ConvolutionFigures[]): string =>
  formatTable(
    TITLES.map((title) => ({ title, isNumber: true })),
    figures.map(({ size, channels, items, blocked, product, layingOut }) => [
      `${size} x ${size}`,
      String(channels),
      String(items),
      blocked.toFixed(1),
      product.toFixed(1),
      `${(product / blocked).toFixed(2)}x`,
      layingOut.toFixed(1),
    ]),
  );
