import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { z } from "zod";
import { packageFile } from "../../crawler/package-file.ts";

export interface CrawlBenchOptions {
  readonly models: number;
  readonly familySize: number;
  /** Only headers and configurations, no weights. */
  readonly metadataOnly: boolean;
  /** Models that change before the last run. */
  readonly changed: number;
  readonly home: string;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

/** What happened between two states of the hub: everything new, nothing new, some changed. */
export const CRAWLS = ["first", "nothing new", "some changed"] as const;
export type CrawlKind = (typeof CRAWLS)[number];

export interface CrawlFigures {
  readonly kind: CrawlKind;
  readonly models: number;
  readonly families: number;
  /** Models that were read. */
  readonly read: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly requests: number;
  readonly downloadedBytes: number;
  readonly peakRssBytes: number;
  /** Of the published catalog. */
  readonly catalogBytes: number;
}

const helloSchema = z.object({ url: z.url(), bases: z.array(z.string()) });
const usageSchema = z.object({ peakRssBytes: z.number(), cpuSeconds: z.number() });
const reportSchema = z.object({
  models: z.looseObject({ listed: z.number(), unchanged: z.number(), failed: z.number() }),
  bytes: z.looseObject({ downloaded: z.number() }),
  requests: z.number(),
});

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Crawls a hub of made-up models three times with the command itself, in a process of its own each time. */
export async function benchCrawl(options: CrawlBenchOptions): Promise<CrawlFigures[]> {
  const { models, familySize, changed, home, signal, log } = options;
  const hub = fork(script("./synthetic-hub.js"), [String(models), String(familySize)], { execArgv: [] });
  try {
    const { url, bases } = helloSchema.parse(await nextMessage(hub, signal));
    const figures: CrawlFigures[] = [];
    for (const kind of CRAWLS) {
      if (kind === "some changed") {
        hub.send(changed);
        await nextMessage(hub, signal);
      }
      const run = await crawlOnce({ ...options, url, bases });
      figures.push({ kind, models, families: bases.length, ...run });
      log(`  ${kind}: ${run.read} of ${models} models in ${run.seconds.toFixed(1)} s, ${run.requests} requests`);
    }
    return figures;
  } finally {
    hub.kill();
    await rm(home, { recursive: true, force: true });
  }
}

async function nextMessage(child: ChildProcess, signal: AbortSignal): Promise<unknown> {
  const [message] = (await once(child, "message", { signal })) as unknown[];
  return message;
}

async function crawlOnce(
  options: CrawlBenchOptions & { readonly url: string; readonly bases: readonly string[] },
): Promise<Omit<CrawlFigures, "kind" | "models" | "families">> {
  const { url, bases, home, metadataOnly, signal } = options;
  const usage = join(home, "..", "usage.json");
  const args = [
    ...["--import", pathToFileURL(script("./report-usage.js")).href],
    ...[packageFile("dist", "bin", "alsatian.js"), "crawl", "--hub", url, "--home", home, "--json", "--quiet"],
    ...(metadataOnly ? ["--metadata-only"] : []),
    ...["--family", ...bases],
  ];
  const { HF_TOKEN: _token, ...environment } = process.env;
  const env = { ...environment, HF_HOME: home, ALSATIAN_BENCH_USAGE: usage };
  const start = performance.now();
  const child = spawn(process.execPath, args, { env, signal, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => void (text += part));
  const [code] = (await once(child, "close")) as [number | null];
  const seconds = (performance.now() - start) / 1000;
  if (code !== 0) throw new Error(`the crawl ended with exit code ${code}`);
  const report = reportSchema.parse(JSON.parse(text));
  const used = usageSchema.parse(JSON.parse(await readFile(usage, "utf8")));
  return {
    read: report.models.listed - report.models.unchanged,
    seconds,
    ...used,
    requests: report.requests,
    downloadedBytes: report.bytes.downloaded,
    catalogBytes: (await stat(join(home, "catalog.duckdb"))).size,
  };
}
