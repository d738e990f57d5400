import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DeviceMemory } from "./device-memory.ts";

const MOST_CARDS = 64;

/**
 * The memory of AMD's cards, as Linux's driver tells it, most first.
 * @param folder where the kernel shows its cards
 * @returns none where there are none, or on another system
 */
export async function listAmdMemory(folder = "/sys/class/drm"): Promise<DeviceMemory[]> {
  const names = await readdir(folder).catch(() => []);
  const cards = names.filter((name) => /^card\d+$/.test(name)).slice(0, MOST_CARDS);
  const found: DeviceMemory[] = [];
  for (const card of cards) {
    const read = async (part: string): Promise<number> =>
      parseCount(await readFile(join(folder, card, "device", `mem_info_vram_${part}`), "utf8").catch(() => ""));
    const [totalBytes, used] = [await read("total"), await read("used")];
    if (totalBytes > 0 && used <= totalBytes) found.push({ totalBytes, freeBytes: totalBytes - used });
  }
  return found.sort((a, b) => b.totalBytes - a.totalBytes);
}

const parseCount = (text: string): number => (/^\s*\d{1,15}\s*$/.test(text) ? Number(text) : NaN);
