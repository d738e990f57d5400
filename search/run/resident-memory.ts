import { readFileSync } from "node:fs";

/** Reading all pages takes 15 ms for a gigabyte, and other threads cannot map memory meanwhile. */
const PAUSE_MS = 3000;
/** The resident set changes by this factor before all pages are read again. */
const CHANGE = 1.25;

interface Reading {
  readonly bytes: number;
  /** The resident set at that time. */
  readonly resident: number;
  readonly at: number;
}

/**
 * Memory of this process. Weights that several lanes have mapped from one file are there once, so Linux's proportional
 * set size counts (proc_pid_smaps_rollup(5)); elsewhere the resident set, in which they count once for each lane. It is also
 * what has changed since the pages were read last: then it is too much, not too little, where lanes have mapped the same.
 */
export class ResidentMemory {
  #last: Reading | null = null;

  read(): number {
    const resident = process.memoryUsage.rss();
    const now = performance.now();
    const last = this.#last;
    if (last && (now < last.at + PAUSE_MS || isNear(resident, last.resident))) {
      return Math.min(resident, last.bytes + Math.max(0, resident - last.resident));
    }
    const bytes = proportionalBytes() ?? resident;
    this.#last = { bytes, resident, at: performance.now() };
    return bytes;
  }
}

const isNear = (a: number, b: number): boolean => a < CHANGE * b && b < CHANGE * a;

function proportionalBytes(): number | null {
  try {
    const [, kilobytes] = /^Pss:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/smaps_rollup", "latin1")) ?? [];
    return kilobytes === undefined ? null : 1024 * Number(kilobytes);
  } catch {
    return null; // another system, or an old kernel
  }
}
