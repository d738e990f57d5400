import { randomUUID } from "node:crypto";
import { link, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { snapshotPath } from "./snapshot-path.ts";

const DATED = /^\d{4}-\d{2}-\d{2}\.duckdb$/;

/** What a crawl left that was killed here. */
const LEFT = /^\.[0-9a-f-]{36}\.tmp$/;

/** Where dated copies of the catalog lie: `<home>/catalog/snapshots/2026-11-21.duckdb`. */
export const snapshotsFolder = (home: string): string => join(home, "catalog", "snapshots");

/**
 * Keeps the published catalog under its date (UTC), in place of an earlier one of the day, and removes all but the newest
 * `keep` dated ones. It is a second name of the published file, which is never written again: the next one is a new file.
 */
export async function keepSnapshots(home: string, keep: number, now: Date): Promise<void> {
  const folder = snapshotsFolder(home);
  await mkdir(folder, { recursive: true });
  const temporary = join(folder, `.${randomUUID()}.tmp`);
  try {
    await link(snapshotPath(home), temporary);
    await rename(temporary, join(folder, `${now.toISOString().slice(0, 10)}.duckdb`));
  } finally {
    await rm(temporary, { force: true });
  }
  const names = await readdir(folder);
  for (const name of names.filter((left) => LEFT.test(left))) await rm(join(folder, name), { force: true });
  const dated = names.filter((name) => DATED.test(name)).sort();
  for (const name of dated.slice(0, -keep)) await rm(join(folder, name), { force: true });
}
