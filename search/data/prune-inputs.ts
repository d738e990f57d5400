import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** What an entry of the cache holds, one of these: the inputs themselves. */
const FILES = ["inputs.u8", "tokens.i32"];

export interface PruneInputsOptions {
  readonly home: string;
  /** What the cache may keep, in bytes. */
  readonly maxBytes: number;
}

/**
 * Removes the prepared pictures and texts that were used least lately, until the cache is small enough. Inputs that are open stay
 * readable on systems where a removed file lives as long as it is open; do not prune while searching elsewhere.
 * @returns bytes removed
 */
export async function pruneInputs({ home, maxBytes }: PruneInputsOptions): Promise<number> {
  const folder = join(home, "cache", "inputs");
  const names = await readdir(folder).catch(() => []);
  const entries = await Promise.all(
    names.map(async (name) => {
      const files = FILES.map((file) => stat(join(folder, name, file)).catch(() => undefined));
      const found = (await Promise.all(files)).find((file) => file !== undefined);
      return { name, bytes: found?.size ?? 0, usedMs: found?.mtimeMs ?? 0 };
    }),
  );
  entries.sort((a, b) => b.usedMs - a.usedMs);
  let kept = 0;
  let removed = 0;
  for (const { name, bytes } of entries) {
    if (kept + bytes <= maxBytes) {
      kept += bytes;
      continue;
    }
    await rm(join(folder, name), { recursive: true, force: true });
    removed += bytes;
  }
  return removed;
}
