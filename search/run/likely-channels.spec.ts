import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { probeBlockedLayout } from "./blocked-layout.ts";
import { layoutProbe } from "./layout-probe.ts";
import { likelyChannels } from "./likely-channels.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cpuinfo-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it.each([
  ["processor\t: 0\nflags\t\t: fpu sse2 avx avx2 avx512f avx512dq\n", 16],
  ["processor\t: 0\nflags\t\t: fpu sse2 avx avx2\nbugs\t\t: none of avx512f\n", 8],
  ["processor\t: 0\nFeatures\t: fp asimd\n", null],
  ["", null],
])("reads what the system says of the processor: %j", async (text, expected) => {
  const path = join(folder, "cpuinfo");
  await writeFile(path, text);
  expect(likelyChannels(path)).toBe(expected);
});

it("knows nothing where the system says nothing", () => {
  expect(likelyChannels(join(folder, "none"))).toBeNull();
});

it("is right about this machine, or does not know", async () => {
  expect([null, await probeBlockedLayout(layoutProbe())]).toContain(likelyChannels());
});
