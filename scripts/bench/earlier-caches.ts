import { randomUUID } from "node:crypto";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { isMissing } from "../../crawler/is-missing.ts";

const folderOf = (home: string): string => join(home, "earlier-caches");

/**
 * Leaves a home without caches. They are put aside instead of deleted: for minutes ext4 passes over what belonged to deleted
 * files (`recently_deleted` in fs/ext4/ialloc.c), a millisecond for each new one, which no other search has to pay.
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
