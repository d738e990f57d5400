import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

export interface PruneOptions {
  readonly home: string;
  /** What prepared inputs and features may keep on disk together, in bytes. */
  readonly maxBytes: number;
  /** The clock, in milliseconds. */
  readonly now?: () => number;
}

/** Something in a cache that is used and removed as a whole. */
interface CacheEntry {
  readonly path: string;
  readonly bytes: number;
  readonly usedMs: number;
}

/** What an interrupted search left half written is older than this; a search that is under way writes younger files. */
const STALE_MS = 24 * 3600 * 1000;

/**
 * Removes the prepared inputs and features that were used least lately, until the caches are small enough, and what
 * killed searches left behind. What it removes is computed again when it is needed.
 * @returns bytes removed
 */
export async function pruneCaches({ home, maxBytes, now = Date.now }: PruneOptions): Promise<number> {
  const caches = join(home, "cache");
  const entries: CacheEntry[] = [];
  for (const name of await list(join(caches, "inputs"))) entries.push(await measure(join(caches, "inputs", name)));
  for (const shelf of await list(join(caches, "features"))) {
    if (shelf === "tmp") continue;
    for (const name of await list(join(caches, "features", shelf))) {
      entries.push(await measure(join(caches, "features", shelf, name)));
    }
  }
  const halfWritten: CacheEntry[] = [];
  for (const folder of [join(caches, "features", "tmp"), join(caches, "spill")]) {
    for (const name of await list(folder)) halfWritten.push(await measure(join(folder, name)));
  }
  const doomed = [...overBudget(entries, maxBytes), ...halfWritten.filter(({ usedMs }) => usedMs < now() - STALE_MS)];
  for (const { path } of doomed) await rm(path, { recursive: true, force: true });
  return doomed.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The entries that do not fit, the least lately used ones. */
function overBudget(entries: readonly CacheEntry[], maxBytes: number): CacheEntry[] {
  let kept = 0;
  return entries
    .toSorted((a, b) => b.usedMs - a.usedMs || (a.path < b.path ? -1 : 1))
    .filter(({ bytes }) => {
      if (kept + bytes > maxBytes) return true;
      kept += bytes;
      return false;
    });
}

const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

async function measure(path: string): Promise<CacheEntry> {
  const info = await stat(path).catch(() => null);
  if (!info?.isDirectory()) return { path, bytes: info?.size ?? 0, usedMs: info?.mtimeMs ?? 0 };
  let bytes = 0;
  let usedMs = 0;
  for (const name of await list(path)) {
    const file = await stat(join(path, name)).catch(() => null);
    bytes += file?.size ?? 0;
    usedMs = Math.max(usedMs, file?.mtimeMs ?? 0);
  }
  return { path, bytes, usedMs };
}
