import { readFileSync } from "node:fs";

/** Reading walks all pages, 15 ms for a gigabyte, and other threads cannot map memory meanwhile: a 300th of the time. */
const PAUSE = 300;

/**
 * Memory of this process. Weights that several lanes have mapped from one file are there once, so Linux's proportional
 * set size counts (proc_pid_smaps_rollup(5)); elsewhere the resident set, in which they count once for each lane.
 */
export class ResidentMemory {
  #bytes = 0;
  #nextAt = 0;

  /** What it was when it was read last (some time ago: five seconds for a gigabyte). */
  read(): number {
    const start = performance.now();
    if (start >= this.#nextAt) {
      this.#bytes = proportionalBytes() ?? process.memoryUsage.rss();
      const end = performance.now();
      this.#nextAt = end + PAUSE * (end - start);
    }
    return this.#bytes;
  }
}

function proportionalBytes(): number | null {
  try {
    const [, kilobytes] = /^Pss:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/smaps_rollup", "latin1")) ?? [];
    return kilobytes === undefined ? null : 1024 * Number(kilobytes);
  } catch {
    return null; // another system, or an old kernel
  }
}
