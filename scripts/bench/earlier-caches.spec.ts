import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { deleteEarlierCaches, putCacheAside } from "./earlier-caches.ts";

let home = "";
beforeEach(async () => void (home = await mkdtemp(join(tmpdir(), "earlier-caches-"))));
afterEach(() => rm(home, { recursive: true, force: true }));

it("leaves a home without caches, whether there were any or not", async () => {
  await putCacheAside(home);
  for (let run = 0; run < 2; run++) {
    await mkdir(join(home, "cache", "features"), { recursive: true });
    await putCacheAside(home);
    expect(existsSync(join(home, "cache"))).toBe(false);
  }
});

it("deletes what was put aside, and nothing else", async () => {
  await writeFile(join(home, "catalog.duckdb"), "");
  await mkdir(join(home, "cache"));
  await putCacheAside(home);
  await deleteEarlierCaches(home);
  expect(await readdir(home)).toEqual(["catalog.duckdb"]);
});
