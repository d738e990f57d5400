import { randomUUID } from "node:crypto";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { isMissing } from "../../crawler/local-hub/file-stamp.ts";

const folderOf = (home: string): string => join(home, "earlier-caches");

/**
 * Leaves a home without caches. They are put aside instead of deleted: ext4 doesn't give away what belonged to a deleted
 * file for five seconds, and takes a millisecond longer for each new one meanwhile, which no other search has to pay.
 */
export async function putCacheAside(home: string): Promise<void> {
  await mkdir(folderOf(home), { recursive: true });
  try {
    await rename(join(home, "cache"), join(folderOf(home), randomUUID()));
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
  }
}

/** Deletes those that were put aside. */
export async function deleteEarlierCaches(home: string): Promise<void> {
  await rm(folderOf(home), { recursive: true, force: true });
}
