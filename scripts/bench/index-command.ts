import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Argv } from "yargs";
import { formatBytes } from "../../crawler/format-bytes.ts";
import { parseBytes } from "../../crawler/parse-bytes.ts";
import { formatTable } from "../terminal/table.ts";
import { benchIndex, type IndexFigures } from "./bench-index.ts";
import { list, pick, whole } from "./bench-options.ts";
import { CHECKPOINT_DTYPES } from "./make-checkpoint.ts";

/** Adds `bench index`: times the indexing of a checkpoint against `sha256sum`. */
export const addIndexBench = (parser: Argv, signal: AbortSignal): Argv =>
  parser.command(
    "index",
    "time the indexing of one checkpoint against sha256sum of its files",
    (command) =>
      command
        .option("bytes", { type: "string", default: "1GB", describe: "of the checkpoint, about" })
        .option("dtype", { ...list, default: ["F32", "BF16", "F16"], describe: CHECKPOINT_DTYPES.join(", ") })
        .option("shards", { type: "number", default: 1, describe: "weight files" })
        .option("runs", { type: "number", default: 5, describe: "medians count" })
        .option("seed", { type: "number", default: 0, describe: "of the weights" })
        .option("json", { type: "boolean", default: false, describe: "print one JSON document to stdout" })
        .option("home", { type: "string", describe: "folder to work in [default: a temporary one]" }),
    async (argv) => {
      const home = argv.home === undefined ? await mkdtemp(join(tmpdir(), "alsatian-bench-")) : resolve(argv.home);
      await mkdir(home, { recursive: true });
      const cases: IndexFigures[] = [];
      try {
        for (const dtype of pick("--dtype", argv.dtype, CHECKPOINT_DTYPES)) {
          process.stderr.write(`${dtype}\n`);
          cases.push(
            await benchIndex({
              bytes: parseBytes(argv.bytes, "--bytes"),
              dtype,
              shards: whole("--shards", argv.shards, 1),
              runs: whole("--runs", argv.runs, 1),
              seed: whole("--seed", argv.seed, 0),
              home,
              signal,
              log: (line) => void process.stderr.write(`${line}\n`),
            }),
          );
        }
      } finally {
        if (argv.home === undefined) await rm(home, { recursive: true, force: true });
      }
      process.stdout.write(argv.json ? `${JSON.stringify({ cases }, null, 2)}\n` : `${formatIndex(cases)}\n`);
    },
  );

const TITLES = ["dtype", "files", "bytes", "sha256sum s", "Node sha256 s", "index s", "ratio", "CPU s", "peak RSS"];

function formatIndex(cases: readonly IndexFigures[]): string {
  return formatTable(
    TITLES.map((title, index) => ({ title, isNumber: index > 0 })),
    cases.map(({ dtype, shards, bytes, sha256sum, nodeSha256, index, ratio, cpu, peakRssBytes }) => [
      dtype,
      String(shards),
      formatBytes(bytes),
      sha256sum === null ? "none here" : sha256sum.toFixed(2),
      nodeSha256.toFixed(2),
      index.toFixed(2),
      ratio.toFixed(2),
      cpu.toFixed(2),
      formatBytes(peakRssBytes),
    ]),
  );
}
