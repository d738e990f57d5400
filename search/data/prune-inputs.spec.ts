import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { pruneInputs } from "./prune-inputs.ts";

it("keeps what was used last, as far as it fits", async () => {
  const home = await mkdtemp(join(tmpdir(), "prune-"));
  try {
    expect(await pruneInputs({ home, maxBytes: 0 })).toBe(0);
    for (const [name, used] of Object.entries({ old: 1, middle: 2, new: 3 })) {
      const folder = join(home, "cache", "inputs", name);
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, "inputs.u8"), new Uint8Array(10));
      await utimes(join(folder, "inputs.u8"), used, used);
    }
    expect(await pruneInputs({ home, maxBytes: 25 })).toBe(10);
    expect((await readdir(join(home, "cache", "inputs"))).sort()).toEqual(["middle", "new"]);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});
