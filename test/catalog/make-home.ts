import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

const homes: string[] = [];

/** A folder of its own for a test; it is gone after the tests of the file. */
export async function makeHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "alsatian-catalog-"));
  homes.push(home);
  return home;
}

afterAll(async () => {
  for (const home of homes) await rm(home, { recursive: true, force: true });
});
