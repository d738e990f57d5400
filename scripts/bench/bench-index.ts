import { execFile, fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";
import { isMissing } from "../../crawler/is-missing.ts";
import { makeCheckpoint, type CheckpointDtype } from "./make-checkpoint.ts";
import { median } from "./median.ts";

export interface IndexBenchOptions {
  readonly bytes: number;
  readonly dtype: CheckpointDtype;
  readonly shards: number;
  readonly runs: number;
  readonly seed: number;
  readonly home: string;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

export interface IndexFigures {
  readonly dtype: CheckpointDtype;
  readonly shards: number;
  readonly layers: number;
  /** Of the weight files. */
  readonly bytes: number;
  readonly runs: number;
  /** Medians, in seconds. `sha256sum` is null where there is no such command. */
  readonly sha256sum: number | null;
  readonly nodeSha256: number;
  readonly index: number;
  readonly cpu: number;
  /** `index` over `sha256sum`, or over `nodeSha256` where that is missing. */
  readonly ratio: number;
  /** The largest of all runs. */
  readonly peakRssBytes: number;
  readonly all: {
    readonly sha256sum: readonly number[];
    readonly nodeSha256: readonly number[];
    readonly index: readonly number[];
  };
}

const PROCESS = fileURLToPath(new URL("./index-process.js", import.meta.url));
const run = promisify(execFile);

const reportSchema = z.object({
  newBlocks: z.int().min(1),
  seconds: z.number(),
  cpuSeconds: z.number(),
  peakRssBytes: z.number(),
});

/**
 * Times the indexing of one checkpoint of a local folder into an empty home against a plain sha256 of its weight files.
 * The three take turns; the operating system's file cache is warm.
 */
export async function benchIndex(options: IndexBenchOptions): Promise<IndexFigures> {
  const { bytes, dtype, shards, runs, seed, home, signal, log } = options;
  const folder = join(home, `vit-large-${dtype}-${shards}`);
  await rm(folder, { recursive: true, force: true });
  const made = await makeCheckpoint({ folder, bytes, dtype, shards, seed });
  const system: number[] = [];
  const own: number[] = [];
  const reports: z.output<typeof reportSchema>[] = [];
  await sha256OfFiles(made.files); // warms the file cache
  for (let index = 0; index < runs; index++) {
    signal.throwIfAborted();
    const command = await timed(() => sha256sum(made.files));
    if (command.result) system.push(command.seconds);
    own.push((await timed(() => sha256OfFiles(made.files))).seconds);
    const target = join(home, "indexed");
    await rm(target, { recursive: true, force: true });
    reports.push(await indexInProcess(folder, target, signal));
    await rm(target, { recursive: true, force: true });
    log(
      `  run ${index + 1}: sha256sum ${command.result ? command.seconds.toFixed(2) : "-"} s, Node ${own.at(-1)?.toFixed(2)} s, index ${reports.at(-1)?.seconds.toFixed(2)} s`,
    );
  }
  await rm(folder, { recursive: true, force: true });
  const index = median(reports.map(({ seconds }) => seconds));
  const sha256sumSeconds = system.length > 0 ? median(system) : null;
  return {
    dtype,
    shards,
    layers: made.layers,
    bytes: made.bytes,
    runs,
    sha256sum: sha256sumSeconds,
    nodeSha256: median(own),
    index,
    cpu: median(reports.map(({ cpuSeconds }) => cpuSeconds)),
    ratio: index / (sha256sumSeconds ?? median(own)),
    peakRssBytes: Math.max(...reports.map(({ peakRssBytes }) => peakRssBytes)),
    all: { sha256sum: system, nodeSha256: own, index: reports.map(({ seconds }) => seconds) },
  };
}

async function timed<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly seconds: number }> {
  const start = performance.now();
  const result = await work();
  return { result, seconds: (performance.now() - start) / 1000 };
}

/** coreutils' command, one file after the other. @returns false where there is none */
async function sha256sum(files: readonly string[]): Promise<boolean> {
  try {
    await run("sha256sum", [...files]);
    return true;
  } catch (cause) {
    if (isMissing(cause)) return false;
    throw cause;
  }
}

const READ_BYTES = 1 << 20;

async function sha256OfFiles(files: readonly string[]): Promise<void> {
  for (const file of files) {
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(file, { highWaterMark: READ_BYTES })) hash.update(chunk as Uint8Array);
    hash.digest();
  }
}

async function indexInProcess(
  folder: string,
  home: string,
  signal: AbortSignal,
): Promise<z.output<typeof reportSchema>> {
  const child = fork(PROCESS, [folder, home], { execArgv: [], signal, stdio: ["ignore", "ignore", "inherit", "ipc"] });
  let report: unknown;
  child.on("message", (message) => (report = message));
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`indexing ended with exit code ${code}`);
  return reportSchema.parse(report);
}
