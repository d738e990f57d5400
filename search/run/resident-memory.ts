import { readFileSync } from "node:fs";

/** Reading walks all pages, 15 ms for a gigabyte, and other threads cannot map memory meanwhile: a hundredth of the time. */
const PAUSE = 100;
/** Where reading takes long because others have the cores, it is not put off any longer. */
const MOST_PAUSE_MS = 1000;
/** A share of the resident set, which is known at once, and bytes: what it changes by less than the smaller is not read again. */
const CHANGE = { share: 0.1, bytes: 30e6 };

/**
 * Memory of this process. Weights that several lanes have mapped from one file are there once, so Linux's proportional
 * set size counts (proc_pid_smaps_rollup(5)); elsewhere the resident set, in which they count once for each lane.
 */
export class ResidentMemory {
  #bytes = 0;
  /** The resident set when it was read last. */
  #resident = 0;
  #nextAt = 0;

  /** What it was when it was read last: up to a second ago, or longer if the resident set has hardly changed since. */
  read(): number {
    const start = performance.now();
    if (start < this.#nextAt) return this.#bytes;
    const resident = process.memoryUsage.rss();
    if (isNear(resident, this.#resident)) return this.#bytes;
    this.#resident = resident;
    this.#bytes = proportionalBytes() ?? resident;
    const end = performance.now();
    this.#nextAt = end + Math.min(MOST_PAUSE_MS, PAUSE * (end - start));
    return this.#bytes;
  }
}

const isNear = (now: number, before: number): boolean =>
  Math.abs(now - before) < Math.min(CHANGE.share * before, CHANGE.bytes);

function proportionalBytes(): number | null {
  try {
    const [, kilobytes] = /^Pss:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/smaps_rollup", "latin1")) ?? [];
    return kilobytes === undefined ? null : 1024 * Number(kilobytes);
  } catch {
    return null; // another system, or an old kernel
  }
}
