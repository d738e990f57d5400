import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startLocalHub, type LocalHub } from "../../crawler/local-hub/start-local-hub.ts";
import { crawlDisturbed, crawlMissingFaults, type Disturbance, type RunEnd } from "./crawl-disturbed.ts";
import { crawlOnFullDisk } from "./crawl-on-full-disk.ts";
import { crawlUndisturbed, type Reference } from "./crawl-undisturbed.ts";
import { FaultCount } from "./fault-count.ts";
import { differences } from "./home-content.ts";
import { Random } from "./random.ts";
import { MODE_ORDER, type Mode } from "./reading-modes.ts";
import { makeSoakHub } from "./soak-hub.ts";

export interface SoakOptions {
  readonly seed: number;
  /** How many crawls are killed by kill -9. */
  readonly kills: number;
  /** Kills of each home at most; then it is crawled to the end and compared, as when a crawl ends in spite of all. */
  readonly killsPerHome: number;
  /** Also crawls on a small disk until it has room for everything, where one is to be had. */
  readonly fullDisk: boolean;
  /** Crawls on, without kills, until every fault was served on every kind of request. */
  readonly everyFault: boolean;
  readonly log: (line: string) => void;
}

export interface SoakReport {
  readonly homes: number;
  /** How crawls ended that were disturbed. */
  readonly runs: Readonly<Record<RunEnd, number>>;
  readonly faults: FaultCount;
  /** How many crawls ended for want of room on a disk that was full; null where none was to be had. */
  readonly fullDisks: number | null;
  /** What was not as after a crawl without faults, and faults that were asked for and not served. */
  readonly problems: readonly string[];
}

/** Crawls of one reading mode after another, until every fault was served: so many homes are enough by far. */
const MAX_COVER_HOMES = 60;

/**
 * Crawls a local hub again and again with whatever goes wrong at random, kills the command at random points, and at last
 * lets it finish. Then the home must hold what it holds after a crawl without faults.
 */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const folder = await mkdtemp(join(tmpdir(), "alsatian-soak-"));
  await using files = await makeSoakHub();
  // one for all homes: how files are cut into chunks that are stored once hangs on which one was asked for first
  await using hub = await startLocalHub({ root: files.root, xet: true });
  try {
    return await new Soak(options, folder, hub).run();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

class Soak {
  readonly #options: SoakOptions;
  readonly #folder: string;
  readonly #hub: LocalHub;
  readonly #random: Random;
  readonly #faults = new FaultCount();
  readonly #references = new Map<Mode, Reference>();
  readonly #runs: Record<RunEnd, number> = { killed: 0, interrupted: 0, "no-room": 0, failed: 0, finished: 0 };
  readonly #problems: string[] = [];
  #homes = 0;

  constructor(options: SoakOptions, folder: string, hub: LocalHub) {
    this.#options = options;
    this.#folder = folder;
    this.#hub = hub;
    this.#random = new Random(options.seed);
  }

  async run(): Promise<SoakReport> {
    const { kills, everyFault, fullDisk } = this.#options;
    while (this.#runs.killed < kills) await this.#killedHome();
    if (everyFault) await this.#serveMissing();
    const full = fullDisk
      ? await crawlOnFullDisk(join(this.#folder, "disk"), this.#hub, await this.#reference("whole"))
      : null;
    if (full) this.#options.log(`a disk that was full ${full.times} times: ${full.differences.length} differences`);
    this.#problems.push(...(full?.differences ?? []).map((text) => `full disk: ${text}`));
    return {
      homes: this.#homes,
      runs: this.#runs,
      faults: this.#faults,
      problems: this.#problems,
      fullDisks: full?.times ?? null,
    };
  }

  /** A home whose crawls are killed, until one ends in spite of it or so many have been. */
  async #killedHome(): Promise<void> {
    const { kills, killsPerHome } = this.#options;
    const wanted = Math.min(this.#runs.killed + killsPerHome, kills);
    await this.#checkHome(async (disturbance, reference) => {
      const end = await crawlDisturbed({ ...disturbance, reference });
      this.#runs[end]++;
      const { killed } = this.#runs;
      this.#log(disturbance.mode, `${end} after ${this.#hub.requests.length} requests; ${killed} of ${kills} killed`);
      return end === "finished" || killed >= wanted;
    });
  }

  /** Homes whose crawls meet what chance has not brought. */
  async #serveMissing(): Promise<void> {
    for (let homes = 0; homes < MAX_COVER_HOMES && this.#faults.missing().length > 0; homes++) {
      await this.#checkHome(async (disturbance) => {
        const end = await crawlMissingFaults(disturbance);
        this.#runs[end]++;
        this.#log(disturbance.mode, `${end}; ${this.#faults.missing().length} faults were never served`);
        return end === "finished";
      });
    }
    this.#problems.push(...this.#faults.missing().map((fault) => `never served: ${fault}`));
  }

  /** Crawls a home of the next reading mode again and again, at last to its end, and compares it. */
  async #checkHome(crawlOnce: (disturbance: Disturbance, reference: Reference) => Promise<boolean>): Promise<void> {
    const mode: Mode = MODE_ORDER[this.#homes % MODE_ORDER.length] ?? "whole";
    const home = join(this.#folder, `home-${this.#homes++}`);
    const reference = await this.#reference(mode);
    const disturbance = { home, mode, hub: this.#hub, random: this.#random, faults: this.#faults };
    while (!(await crawlOnce(disturbance, reference)));
    const { content } = await crawlUndisturbed(home, this.#hub, mode);
    const found = differences(content, reference.content);
    this.#problems.push(...found.map((text) => `home ${this.#homes} (${mode}, seed ${this.#options.seed}): ${text}`));
    this.#log(mode, `${found.length} differences`);
    await rm(home, { recursive: true, force: true });
  }

  async #reference(mode: Mode): Promise<Reference> {
    const known = this.#references.get(mode);
    if (known) return known;
    const reference = await crawlUndisturbed(join(this.#folder, mode), this.#hub, mode);
    this.#references.set(mode, reference);
    return reference;
  }

  #log(mode: Mode, text: string): void {
    this.#options.log(`home ${this.#homes} (${mode}): ${text}`);
  }
}
