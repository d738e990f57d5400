import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

export interface PruneOptions {
  readonly home: string;
  /** What prepared inputs, features, and graphs and weights laid out for this machine may take on disk together, in bytes. */
  readonly maxBytes: number;
  /** The clock, in milliseconds. */
  readonly now?: () => number;
}

/** Something in a cache that is used and removed as a whole. */
interface CacheEntry {
  /** Those of a lower rank go first: what is made again fastest. */
  readonly rank: number;
  readonly path: string;
  readonly bytes: number;
  readonly usedMs: number;
}

/** Of all that lies in each of the caches. */
const RANKS = { graphs: 0, weights: 0, inputs: 1, features: 1 };

/** What an interrupted search left half written is older than this; a search that is under way writes younger files. */
const STALE_MS = 24 * 3600 * 1000;

/**
 * Removes what was used least lately from the caches, until they are small enough, and what killed searches left behind. What it removes is computed again when it is needed.
 * @returns bytes removed
 */
export async function pruneCaches({ home, maxBytes, now = Date.now }: PruneOptions): Promise<number> {
  const caches = join(home, "cache");
  const entries: CacheEntry[] = [];
  const add = async (rank: number, path: string) => void entries.push({ rank, ...(await measure(path)) });
  for (const [cache, rank] of Object.entries(RANKS)) {
    for (const name of await list(join(caches, cache))) if (name !== "tmp") await add(rank, join(caches, cache, name));
  }
  const halfWritten: Measured[] = [];
  for (const folder of ["features/tmp", "graphs/tmp", "weights/tmp", "spill"].map((name) => join(caches, name))) {
    for (const name of await list(folder)) halfWritten.push(await measure(join(folder, name)));
  }
  const doomed = [...overBudget(entries, maxBytes), ...halfWritten.filter(({ usedMs }) => usedMs < now() - STALE_MS)];
  for (const { path } of doomed) await rm(path, { recursive: true, force: true });
  return doomed.reduce((sum, { bytes }) => sum + bytes, 0);
}

type Measured = Omit<CacheEntry, "rank">;

/** The entries that do not fit: what is laid out for this machine first, and the least lately used first. */
function overBudget(entries: readonly CacheEntry[], maxBytes: number): CacheEntry[] {
  let kept = 0;
  return entries
    .toSorted((a, b) => b.rank - a.rank || b.usedMs - a.usedMs || (a.path < b.path ? -1 : 1))
    .filter(({ bytes }) => {
      if (kept + bytes > maxBytes) return true;
      kept += bytes;
      return false;
    });
}

const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

async function measure(path: string): Promise<Measured> {
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
