import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startLocalHub, type LocalHub, type LoggedRequest } from "../../crawler/local-hub/start-local-hub.ts";
import { packageFile } from "../../crawler/package-file.ts";
import { differences, homeContent, type HomeContent } from "./home-content.ts";
import { FaultCount } from "./fault-count.ts";
import { makeFault, placeOf, possibleFaults } from "./random-fault.ts";
import { Random } from "./random.ts";
import { openSmallDisk } from "./small-disk.ts";
import { BASE, makeSoakHub, TOKEN } from "./soak-hub.ts";

export interface SoakOptions {
  readonly seed: number;
  /** How many crawls are killed by kill -9. */
  readonly kills: number;
  /** Kills of each home at most; then it is crawled to the end and compared, as when a crawl ends in spite of all. */
  readonly killsPerHome: number;
  /** Also crawls on a small disk until it has room for everything, where one is to be had. */
  readonly fullDisk: boolean;
  readonly log: (line: string) => void;
}

export interface SoakReport {
  readonly homes: number;
  /** How crawls ended that were disturbed: `finished` in spite of all, `failed` with a message. */
  readonly runs: Readonly<Record<RunEnd, number>>;
  readonly faults: FaultCount;
  /** How many crawls ended for want of room on a disk that was full; null where none was to be had. */
  readonly fullDisks: number | null;
  /** What was not as after a crawl without faults. */
  readonly problems: readonly string[];
}

type RunEnd = "killed" | "interrupted" | "no-room" | "failed" | "finished";

/** Where a crawl finds corrupted bytes, as the hub gives it a hash to compare with. */
interface ReadingMode {
  readonly args: readonly string[];
  readonly findsCorruption: (request: LoggedRequest) => boolean;
}

/** Of a large file, the header is read before and apart, and no hash goes with it. */
const isHeader = ({ range }: LoggedRequest): boolean => /^bytes=0-\d{1,5}$/.test(range ?? "");

/** How crawls read. JSON and small files are always compared. */
const MODES = {
  /** Whole files, compared with their sha256. */
  whole: {
    args: ["--tensors", "all", "--no-xet"],
    findsCorruption: (request) => placeOf(request) !== "file" || !isHeader(request),
  },
  /** Ranges of files and what they are made of. */
  ranges: {
    args: ["--tensors", "backbone"],
    findsCorruption: (request) => placeOf(request) !== "file" && placeOf(request) !== "xorb",
  },
  /** Whole files out of chunks. */
  chunks: { args: ["--tensors", "all", "--verify"], findsCorruption: (request) => placeOf(request) !== "file" },
} satisfies Record<string, ReadingMode>;
type Mode = keyof typeof MODES;
const MODE_ORDER = ["whole", "ranges", "chunks"] as const;

/** One request in so many goes wrong, and more where a fault has never been served. */
const FAULT_EVERY = 6;
const FAULT_EVERY_WHERE_MISSING = 3;
/** Of a file, in a run that is short of room: its catalog and larger blocks do not fit. */
const ROOM_KIB: readonly [number, ...number[]] = [64, 300, 600, 1200, 2400];
/** Crawls are killed within so many requests: a home takes several crawls until it has everything. */
const MAX_REQUESTS = 30;
/** A crawl that takes longer hangs. */
const MAX_RUN_MS = 300_000;

/**
 * Crawls a local hub again and again with whatever goes wrong at random, kills the command at random points, and at last
 * lets it finish. Then the home must hold what it holds after a crawl without faults.
 */
export async function soak({ seed, kills, killsPerHome, fullDisk, log }: SoakOptions): Promise<SoakReport> {
  const random = new Random(seed);
  const folder = await mkdtemp(join(tmpdir(), "alsatian-soak-"));
  await using files = await makeSoakHub();
  // one for all homes: how files are cut into chunks that are stored once hangs on which one was asked for first
  await using hub = await startLocalHub({ root: files.root, xet: true });
  const runs: Record<RunEnd, number> = { killed: 0, interrupted: 0, "no-room": 0, failed: 0, finished: 0 };
  const faults = new FaultCount();
  const problems: string[] = [];
  const expected = new Map<Mode, Reference>();
  let homes = 0;
  try {
    while (runs.killed < kills) {
      const mode: Mode = MODE_ORDER[homes % MODE_ORDER.length] ?? "whole";
      const home = join(folder, `home-${homes}`);
      homes++;
      const reference = expected.get(mode) ?? (await crawlUndisturbed(join(folder, mode), hub, mode));
      expected.set(mode, reference);
      const wanted = Math.min(runs.killed + killsPerHome, kills);
      for (let end: RunEnd = "failed"; runs.killed < wanted && end !== "finished";) {
        end = await crawlDisturbed({ home, hub, mode, random, reference, faults });
        runs[end]++;
        log(`home ${homes} (${mode}): ${end} after ${hub.requests.length} requests; ${runs.killed} of ${kills} killed`);
      }
      const { content } = await crawlUndisturbed(home, hub, mode);
      const found = differences(content, reference.content);
      problems.push(...found.map((text) => `home ${homes} (${mode}, seed ${seed}): ${text}`));
      log(`home ${homes} (${mode}): ${found.length} differences`);
      await rm(home, { recursive: true, force: true });
    }
    const reference = expected.get("whole");
    const full = fullDisk && reference ? await crawlOnFullDisk(join(folder, "disk"), hub, reference) : null;
    if (full) log(`a disk that was full ${full.times} times: ${full.differences.length} differences`);
    problems.push(...(full?.differences ?? []).map((text) => `full disk: ${text}`));
    return { homes, runs, faults, problems, fullDisks: full?.times ?? null };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A crawl without faults: what its home holds, and how long it takes. */
interface Reference {
  readonly content: HomeContent;
  readonly milliseconds: number;
}

/** Lets a crawl finish, checks the whole store and removes what no model needs. @throws when one of it fails */
async function crawlUndisturbed(home: string, hub: LocalHub, mode: Mode): Promise<Reference> {
  hub.faults.length = 0;
  const start = Date.now();
  await expectEnd(crawlArguments(home, hub, mode), 3); // some models are as they should not be
  const milliseconds = Date.now() - start;
  await expectEnd(["index", "--verify", "--gc", "--home", home], 0);
  return { content: await homeContent(home, hub.url), milliseconds };
}

async function expectEnd(args: readonly string[], code: number): Promise<void> {
  const command = new Command(args);
  const timer = setTimeout(() => command.kill("SIGKILL"), MAX_RUN_MS);
  const ended = await command.ended;
  clearTimeout(timer);
  if (ended !== code) throw new Error(`${args.join(" ")}: exit code ${ended}, expected ${code}: ${command.said}`);
}

/** MiB of the smallest disk, and by how much it grows whenever it was full: work file, snapshot and blocks are some 20. */
const DISK_MIB = 2;
const DISK_STEP_MIB = 4;

/**
 * Crawls on a disk that is too small and grows, until all fits. Each crawl before must end and say why.
 * @returns null where there is no such disk to be had
 */
async function crawlOnFullDisk(
  home: string,
  hub: LocalHub,
  reference: Reference,
): Promise<{ readonly times: number; readonly differences: string[] } | null> {
  await using disk = await openSmallDisk(home, DISK_MIB);
  if (!disk) return null;
  hub.faults.length = 0;
  for (let times = 0; ; times++) {
    const command = new Command(crawlArguments(home, hub, "whole"));
    const code = await command.ended;
    if (code === 3) {
      await disk.grow(DISK_MIB + (times + 10) * DISK_STEP_MIB); // the comparison needs room of its own
      const { content } = await crawlUndisturbed(home, hub, "whole");
      return { times, differences: differences(content, reference.content) };
    }
    if (code !== 1 || !/no space|ENOSPC/i.test(command.said)) {
      throw new Error(`on a full disk the crawl ended with ${code}: ${command.said}`);
    }
    await disk.grow(DISK_MIB + (times + 1) * DISK_STEP_MIB);
  }
}

/** One crawl in which things go wrong, and which is killed or interrupted after some requests or some time. */
async function crawlDisturbed(options: {
  readonly home: string;
  readonly hub: LocalHub;
  readonly mode: Mode;
  readonly random: Random;
  readonly reference: Reference;
  readonly faults: FaultCount;
}): Promise<RunEnd> {
  const { home, hub, mode, random, reference, faults } = options;
  hub.requests.length = 0;
  const signal = random.below(6) === 0 ? "SIGTERM" : "SIGKILL";
  const room = random.below(8) === 0 ? random.pick(ROOM_KIB) : undefined;
  const atRequest = random.below(4) > 0 ? 1 + random.below(MAX_REQUESTS) : Infinity;
  const afterMs = Math.ceil(random.next() * reference.milliseconds);
  const command = new Command(crawlArguments(home, hub, mode), room);
  hub.faults.splice(0, hub.faults.length, {
    match: () => true,
    fault: (request) => {
      if (hub.requests.length >= atRequest) command.kill(signal);
      const isMissing = faults.isMissing(placeOf(request));
      if (random.below(isMissing ? FAULT_EVERY_WHERE_MISSING : FAULT_EVERY) > 0) return undefined;
      const { findsCorruption } = MODES[mode];
      const names = possibleFaults(placeOf(request)).filter((name) => name !== "corrupt" || findsCorruption(request));
      const name = faults.draw(request, names, random);
      return name && makeFault(name, request, random);
    },
  });
  const timer = setTimeout(() => command.kill(signal), atRequest === Infinity ? afterMs : MAX_RUN_MS);
  const code = await command.ended;
  clearTimeout(timer);
  faults.settle();
  if (command.signal === "SIGKILL") return "killed";
  if (command.signal === "SIGTERM") return "interrupted"; // before the command listened to it
  if (code === null || ![0, 1, 2, 3, 130].includes(code)) throw new Error(`crawl ended with ${code}: ${command.said}`);
  if (/internal error|unhandled|UnhandledPromise/i.test(command.said)) throw new Error(command.said);
  if (code === 0 || code === 3) return "finished";
  return code === 130 ? "interrupted" : room !== undefined && code === 1 ? "no-room" : "failed";
}

const crawlArguments = (home: string, hub: LocalHub, mode: Mode): string[] => [
  ...["crawl", "--family", BASE, "--hub", hub.url, "--home", home, "--no-progress", "--concurrency", "3"],
  ...MODES[mode].args,
];

/** The command as a user runs it, in a process of its own. */
class Command {
  /** The exit code; null of one that a signal ended. */
  readonly ended: Promise<number | null>;
  /** What it said last. */
  said = "";
  signal: NodeJS.Signals | null = null;
  readonly #child;

  /** @param room KiB that a file may have at most, in place of a disk that is full */
  constructor(args: readonly string[], room?: number) {
    const { HF_ENDPOINT: _endpoint, ALSATIAN_HOME: _home, ...env } = process.env;
    const run = [process.execPath, packageFile("dist", "scripts", "alsatian.js"), ...args];
    const limited = ["bash", "-c", 'trap "" XFSZ; ulimit -f "$0"; exec "$@"', String(room), ...run];
    const [program = "", ...rest] = room === undefined ? run : limited;
    this.#child = spawn(program, rest, {
      env: { ...env, HF_TOKEN: TOKEN, HF_HOME: "/nonexistent", ALSATIAN_STALL_SECONDS: "2" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (this.said = (this.said + text).slice(-4000)));
    }
    this.ended = once(this.#child, "close").then(([code, signal]: (number | NodeJS.Signals | null)[]) => {
      this.signal = typeof signal === "string" ? signal : null;
      return typeof code === "number" ? code : null;
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}
