import { readFileSync } from "node:fs";

/** Reading it walks all pages: a millisecond for each half gigabyte. */
const LEAST_MS = 200;

/**
 * Memory of this process. Weights that several lanes have mapped from one file are there once, so Linux's proportional
 * set size counts (proc_pid_smaps_rollup(5)); elsewhere the resident set, in which they count once for each lane.
 */
export class ResidentMemory {
  #bytes = 0;
  #readAt = -Infinity;

  /** @param isFresh whether it must not be some tenths of a second old */
  read(isFresh = false): number {
    const now = performance.now();
    if (isFresh || now - this.#readAt > LEAST_MS) {
      this.#bytes = proportionalBytes() ?? process.memoryUsage.rss();
      this.#readAt = now;
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
