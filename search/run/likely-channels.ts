import { closeSync, openSync, readSync } from "node:fs";

/** Of /proc/cpuinfo, which tells the same of each processor: enough for the first. */
const CPUINFO_BYTES = 8192;

/**
 * What `probeBlockedLayout` most likely finds, by what the system says of the processor; null where it says nothing. For what
 * can be begun, and is thrown away if it was wrong, while the library is asked.
 */
export function likelyChannels(cpuinfo = "/proc/cpuinfo"): number | null {
  let file: number;
  try {
    file = openSync(cpuinfo, "r");
  } catch {
    return null;
  }
  try {
    const head = Buffer.alloc(CPUINFO_BYTES);
    const flags = /^flags\s*:(.*)$/m.exec(head.toString("latin1", 0, readSync(file, head)))?.[1]?.split(" ");
    return flags ? (flags.includes("avx512f") ? 16 : 8) : null;
  } finally {
    closeSync(file);
  }
}
