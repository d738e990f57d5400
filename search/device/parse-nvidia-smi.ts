import type { DeviceMemory } from "./device-memory.ts";

/** A card of NVIDIA's, as its driver describes it. */
export interface NvidiaGpu {
  readonly name: string;
  readonly driver: string;
  /** Null where the driver does not tell, as for parts of a card (MIG). */
  readonly memory: DeviceMemory | null;
}

/** What is asked of `nvidia-smi`. */
export const NVIDIA_SMI_ARGUMENTS = [
  "--query-gpu=name,memory.total,memory.free,driver_version",
  "--format=csv,noheader,nounits",
] as const;

const MIB = 2 ** 20;
const MOST_GPUS = 64;

/** Cards from what `nvidia-smi` prints; lines that are not of that form are left out. */
export function parseNvidiaSmi(text: string): NvidiaGpu[] {
  const gpus: NvidiaGpu[] = [];
  for (const line of text.split("\n").slice(0, MOST_GPUS)) {
    const [, name, total, free, driver] = /^\s*(\S.*?)\s*,([^,]*),([^,]*),\s*(\d[\d.]*)\s*$/.exec(line) ?? [];
    if (name === undefined || driver === undefined) continue;
    const [totalBytes, freeBytes] = [parseMib(total), parseMib(free)];
    const isKnown = totalBytes !== null && freeBytes !== null && totalBytes > 0 && freeBytes <= totalBytes;
    gpus.push({ name, driver, memory: isKnown ? { totalBytes, freeBytes } : null });
  }
  return gpus;
}

const parseMib = (text = ""): number | null => (/^\s*\d{1,9}\s*$/.test(text) ? Number(text) * MIB : null);
