import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Argv } from "yargs";
import { formatBytes } from "../../crawler/format-bytes.ts";
import { formatTable } from "../terminal/table.ts";
import { benchCrawl, type CrawlFigures } from "./bench-crawl.ts";
import { list, whole } from "./bench-options.ts";

/** Adds `bench crawl`: what crawls of hubs of many models take. */
export const addCrawlBench = (parser: Argv, signal: AbortSignal): Argv =>
  parser.command(
    "crawl",
    "time crawls of hubs of many made-up models",
    (command) =>
      command
        .option("models", { ...list, default: ["1000", "10000"], describe: "numbers of models" })
        .option("family-size", { type: "number", default: 100, describe: "models of a family" })
        .option("metadata-only", { type: "boolean", default: false, describe: "read no weights" })
        .option("changed", { type: "number", default: 100, describe: "models that change before the last run" })
        .option("json", { type: "boolean", default: false, describe: "print one JSON document to stdout" })
        .option("home", { type: "string", describe: "folder to work in [default: a temporary one]" }),
    async (argv) => {
      const folder = argv.home === undefined ? await mkdtemp(join(tmpdir(), "alsatian-bench-")) : resolve(argv.home);
      await mkdir(folder, { recursive: true });
      const cases: CrawlFigures[] = [];
      try {
        for (const models of argv.models.map((count) => whole("--models", count, 1))) {
          process.stderr.write(`${models} models\n`);
          const home = join(folder, `crawl-${models}`);
          await rm(home, { recursive: true, force: true });
          const figures = await benchCrawl({
            models,
            familySize: whole("--family-size", argv.familySize, 1),
            metadataOnly: argv.metadataOnly,
            changed: whole("--changed", argv.changed, 0),
            home,
            signal,
            log: (line) => void process.stderr.write(`${line}\n`),
          });
          cases.push(...figures);
        }
      } finally {
        if (argv.home === undefined) await rm(folder, { recursive: true, force: true });
      }
      process.stdout.write(argv.json ? `${JSON.stringify({ cases }, null, 2)}\n` : `${formatCrawls(cases)}\n`);
    },
  );

const TITLES = "models,families,crawl,read,seconds,ms a model,CPU s,requests,downloaded,peak RSS,catalog".split(",");

function formatCrawls(cases: readonly CrawlFigures[]): string {
  return formatTable(
    TITLES.map((title) => ({ title, isNumber: title !== "crawl" })),
    cases.map(({ models, families, kind, read, seconds, cpuSeconds, requests, ...bytes }) => [
      ...[models, families].map(String),
      kind,
      String(read),
      seconds.toFixed(1),
      read === 0 ? "" : ((1000 * seconds) / read).toFixed(1),
      cpuSeconds.toFixed(1),
      String(requests),
      ...[bytes.downloadedBytes, bytes.peakRssBytes, bytes.catalogBytes].map(formatBytes),
    ]),
  );
}
