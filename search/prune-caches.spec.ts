import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pruneCaches } from "./prune-caches.ts";

const DAY = 24 * 3600;
const NOW = 100 * DAY;

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "alsatian-prune-"));
});
afterEach(() => rm(home, { recursive: true, force: true }));

/** A file of a cache, last used so many days ago. */
async function put(path: string, bytes: number, days: number): Promise<void> {
  const file = join(home, "cache", path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, Buffer.alloc(bytes));
  await utimes(file, NOW - days * DAY, NOW - days * DAY);
}

const files = async (): Promise<string[]> =>
  (await readdir(join(home, "cache"), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort();

const prune = (maxBytes: number) => pruneCaches({ home, maxBytes, now: () => NOW * 1000 });

describe("pruneCaches", () => {
  it("removes what was used least lately, inputs as a whole, until the rest fits", async () => {
    await put("inputs/aa/inputs.u8", 500, 3);
    await put("inputs/bb/tokens.i32", 100, 2);
    await put("inputs/bb/lengths.i32", 10, 2);
    await put("features/new.f32", 200, 0);
    await put("features/old.f32", 200, 9);
    expect(await prune(320)).toBe(700);
    expect(await files()).toEqual(["lengths.i32", "new.f32", "tokens.i32"]);
  });

  it("removes what is laid out for this machine before items and features", async () => {
    await put("inputs/aa/inputs.u8", 500, 30);
    await put("features/old.f32", 200, 90);
    await put("graphs/cc/graph.onnx", 10, 0);
    await put("graphs/cc/weights.bin", 300, 0);
    await put("weights/dd.bin", 100, 1);
    await put("weights/ee.bin", 100, 2);
    expect(await prune(1110)).toBe(100);
    expect(await files()).toEqual(["dd.bin", "graph.onnx", "inputs.u8", "old.f32", "weights.bin"]);
    expect(await prune(700)).toBe(410);
    expect(await files()).toEqual(["inputs.u8", "old.f32"]);
  });

  it("removes nothing that fits", async () => {
    await put("inputs/aa/inputs.u8", 500, 3);
    await put("features/new.f32", 200, 90);
    expect(await prune(700)).toBe(0);
    expect(await files()).toEqual(["inputs.u8", "new.f32"]);
  });

  it("removes what a killed search left half written, but not what one is writing", async () => {
    await put("features/tmp/killed.f32", 50, 2);
    await put("features/tmp/writing.f32", 50, 0);
    await put("weights/tmp/killed", 50, 2);
    await put("graphs/tmp/killed/weights.bin", 50, 2);
    expect(await prune(0)).toBe(150);
    expect(await files()).toEqual(["writing.f32"]);
  });

  it("removes folders of features, in which earlier versions had them, as a whole", async () => {
    await put("features/0a/first.f32", 100, 9);
    await put("features/0a/second.f32", 100, 8);
    await put("features/new.f32", 200, 0);
    expect(await prune(300)).toBe(200);
    expect(await files()).toEqual(["new.f32"]);
  });

  it("does nothing in a home without caches", async () => {
    expect(await prune(0)).toBe(0);
  });
});
