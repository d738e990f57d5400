import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openFeatureStore, type FeatureStore } from "./feature-store.ts";

let home: string;
let store: FeatureStore;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "alsatian-features-"));
  store = openFeatureStore(home, ({ begin, end }) => `${begin}-${end}`);
});
afterEach(async () => {
  await store.close();
  await rm(home, { recursive: true, force: true });
});

const range = { begin: 10, end: 14 };
const rows = (...values: number[]) => Float32Array.from(values);

async function fill(): Promise<string> {
  await store.append("f", range, { begin: 10, end: 12 }, rows(1, 2, 3, 4));
  await store.append("f", range, { begin: 12, end: 14 }, rows(5, 6, 7, 8));
  const names = await readdir(join(home, "cache", "features"), { recursive: true });
  return join(home, "cache", "features", names.find((name) => name.endsWith(".f32")) ?? "");
}

describe("the feature store", () => {
  it("has a range once its last rows are there, in order", async () => {
    await store.append("f", range, { begin: 10, end: 12 }, rows(1, 2, 3, 4));
    expect(await store.has("f", range)).toBe(false);
    await store.append("f", range, { begin: 12, end: 14 }, rows(5, 6, 7, 8));
    expect(await store.has("f", range)).toBe(true);
    expect([...store.read("f", range)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(await store.has("g", range)).toBe(false);
  });

  it("takes rows that come twice once, and refuses a gap", async () => {
    await store.append("f", range, { begin: 10, end: 12 }, rows(1, 2));
    await store.append("f", range, { begin: 10, end: 12 }, rows(9, 9));
    await expect(store.append("f", range, { begin: 13, end: 14 }, rows(4))).rejects.toThrow(/item 12 come after/);
    await store.append("f", range, { begin: 12, end: 14 }, rows(3, 4));
    expect([...store.read("f", range)]).toEqual([1, 2, 3, 4]);
  });

  it("does not take features of one precision for those of another", async () => {
    await fill();
    const half = openFeatureStore(home, ({ begin, end }) => `${begin}-${end}`, "fp16");
    try {
      expect(await half.has("f", range)).toBe(false);
      await half.append("f", range, range, rows(9, 9, 9, 9));
      expect([...half.read("f", range)]).toEqual([9, 9, 9, 9]);
    } finally {
      await half.close();
    }
    expect(store.read("f", range)[0]).toBe(1);
  });

  it("does not have a file that a crash has cut or damaged, and takes the range anew", async () => {
    for (const damage of [
      (path: string) => truncate(path, 8),
      (path: string) => truncate(path, 0),
      async (path: string) => writeFile(path, Buffer.alloc((await readFile(path)).byteLength)),
    ]) {
      await damage(await fill());
      expect(await store.has("f", range)).toBe(false);
    }
    await fill();
    expect(await store.has("f", range)).toBe(true);
  });
});
