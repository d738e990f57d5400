import { spawnSync } from "node:child_process";
import { mkdir, open as openFile, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { packageFile } from "../crawler/package-file.ts";
import { BASE, contentOf, makeCrawl, OTHERS, TUNED, type CrawlFixture } from "../test/crawl/make-crawl.ts";
import { openCatalogWriter } from "./catalog/catalog-writer.ts";
import { maintainStore, type MaintainOptions } from "./maintain-store.ts";
import { openBlockStore } from "./store/block-store.ts";
import { listLeases, withStoreLease } from "./store/store-lease.ts";

const fixtures: CrawlFixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture[Symbol.asyncDispose]();
});

async function setUp() {
  const fixture = await makeCrawl();
  fixtures.push(fixture);
  await fixture.run();
  const { home, rows } = fixture;
  const maintain = async (options: Partial<MaintainOptions>) => {
    const writer = await openCatalogWriter(home);
    try {
      const report = await maintainStore({
        writer,
        store: openBlockStore(home),
        leases: () => listLeases(home),
        verify: false,
        collect: false,
        ...options,
      });
      await writer.publish();
      return report;
    } finally {
      await writer.close();
    }
  };
  /** A block that only this model holds. */
  const ownBlock = async (id: string): Promise<string> => {
    const [row] = await rows(
      `SELECT block_id FROM model_blocks GROUP BY 1 HAVING list(DISTINCT model_id) = ['${id}'] ORDER BY 1`,
    );
    return String(row?.["block_id"]);
  };
  const stored = async () => {
    const ids: string[] = [];
    for await (const { blockId } of openBlockStore(home).list()) ids.push(blockId);
    return ids.sort();
  };
  const replaceWeights = async (id: string, lastModified: string) => {
    const donor = packageFile("data", "sample-hub", "pixel-farm", "detr-resnet-50-plate-digits", "model.safetensors");
    await fixture.commit(id, { "model.safetensors": await readFile(donor) }, lastModified);
  };
  return { ...fixture, store: openBlockStore(home), maintain, ownBlock, stored, replaceWeights };
}

async function spoilByte(path: string, position: number): Promise<void> {
  const file = await openFile(path, "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, position);
  byte.writeUInt8(byte.readUInt8() ^ 1);
  await file.write(byte, 0, 1, position);
  await file.close();
}

describe("--verify", () => {
  it("finds nothing wrong after a crawl", async () => {
    const { maintain, stored } = await setUp();
    const report = await maintain({ verify: true });
    expect(report).toMatchObject({ damaged: [], rewritten: 0, unneeded: 0, removed: 0 });
    expect(report.blocks).toBe((await stored()).length);
  });

  const damages: [name: string, spoil: (store: ReturnType<typeof openBlockStore>, id: string) => Promise<void>][] = [
    ["a byte of its weights is another", (store, id) => spoilByte(store.weightsPath(id), 100)],
    ["its weights are cut off", (store, id) => truncate(store.weightsPath(id), 100)],
    ["its weights are gone", (store, id) => rm(store.weightsPath(id))],
    ["its file is gone", (store, id) => rm(store.onnxPath(id))],
  ];
  it.each(damages)("lets the next crawl fetch a block anew of which %s", async (_name, spoil) => {
    const { maintain, ownBlock, store, run, rows, hub } = await setUp();
    const before = await contentOf({ rows });
    const block = await ownBlock(TUNED);
    await spoil(store, block);
    const report = await maintain({ verify: true });
    expect(report.damaged).toMatchObject([{ block, models: [TUNED] }]);
    expect(await store.has(block)).toBe(false);
    expect(await rows("SELECT model_id, reason FROM models WHERE status = 'failed'")).toEqual([
      { model_id: TUNED, reason: expect.stringContaining(`${block} is damaged`) as string },
    ]);
    // the listing ends before the model: it is new to nobody but this home
    expect((await run({ pageSize: 1 })).models).toMatchObject({ indexed: 1, failed: 0 });
    expect(hub.requests.filter(({ kind }) => kind === "cdn").length).toBeGreaterThan(0);
    expect(await maintain({ verify: true })).toMatchObject({ damaged: [], rewritten: 0 });
    expect(await contentOf({ rows })).toEqual(before);
  });

  it("lets the next crawl write a damaged graph anew", async () => {
    const { home, maintain, run, rows } = await setUp();
    const before = await contentOf({ rows });
    const graphs = join(home, "store", "graphs");
    const [name = ""] = await readdir(graphs);
    await writeFile(join(graphs, name), "{");
    const report = await maintain({ verify: true });
    expect(report.damaged.length).toBeGreaterThan(0);
    expect((await run()).models.failed).toBe(0);
    expect(await maintain({ verify: true })).toMatchObject({ damaged: [] });
    expect(await contentOf({ rows })).toEqual(before);
  });

  it("mends an ONNX file on the spot", async () => {
    const { maintain, ownBlock, store } = await setUp();
    const path = store.onnxPath(await ownBlock(TUNED));
    const before = await readFile(path);
    await spoilByte(path, before.byteLength - 10);
    expect(await maintain({ verify: true })).toMatchObject({ damaged: [], rewritten: 1 });
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  it("removes a damaged block that the catalog does not know, and keeps a whole one", async () => {
    const { home, maintain, ownBlock, store } = await setUp();
    const [whole, damaged] = [await ownBlock(TUNED), await ownBlock(OTHERS[0])];
    const writer = await openCatalogWriter(home);
    await writer.removeModels([TUNED, OTHERS[0]]); // as if the crawl had died before it could tell
    await writer.pruneBlocks();
    await writer.close();
    await spoilByte(store.weightsPath(damaged), 100);
    const report = await maintain({ verify: true });
    expect(report.damaged).toMatchObject([{ block: damaged, models: [] }]);
    expect(await store.has(whole)).toBe(true);
    expect(await store.has(damaged)).toBe(false);
  });
});

describe("--gc", () => {
  it("removes the blocks of a replaced revision, and no others", async () => {
    const { maintain, ownBlock, stored, replaceWeights, run, rows } = await setUp();
    const old = await ownBlock(TUNED);
    await replaceWeights(TUNED, "2026-02-01T00:00:00.000Z");
    await run();
    expect(await stored()).toContain(old);
    const report = await maintain({ collect: true });
    expect(report.removed).toBeGreaterThan(0);
    const needed = await rows("SELECT DISTINCT block_id FROM model_blocks ORDER BY 1");
    expect(await stored()).toEqual(needed.map((row) => row["block_id"]));
    expect(await maintain({ verify: true })).toMatchObject({ damaged: [], unneeded: 0 });
  });

  it("takes weights that were being stored when a crawl was killed for garbage, not for damage", async () => {
    const { maintain, store, stored } = await setUp();
    const left = "f".repeat(64);
    await mkdir(dirname(store.weightsPath(left)), { recursive: true });
    await writeFile(store.weightsPath(left), "weights whose file was never written");
    expect(await maintain({ verify: true })).toMatchObject({ damaged: [], unneeded: 1, removed: 0 });
    expect(await maintain({ collect: true })).toMatchObject({ removed: 1 });
    expect(await stored()).not.toContain(left);
    expect(await maintain({ verify: true })).toMatchObject({ damaged: [], unneeded: 0 });
  });

  it("keeps the blocks of models that are gone: they may come back", async () => {
    const { maintain, ownBlock, stored, remove, run } = await setUp();
    const own = await ownBlock(OTHERS[0]);
    await remove(OTHERS[0]);
    await run();
    expect(await maintain({ collect: true })).toMatchObject({ removed: 0 });
    expect(await stored()).toContain(own);
  });

  it("keeps what a search that began before may still read, and only that", async () => {
    const { home, maintain, ownBlock, store, replaceWeights, run } = await setUp();
    const old = await ownBlock(TUNED);
    await withStoreLease(home, async () => {
      await replaceWeights(TUNED, "2026-02-01T00:00:00.000Z");
      await run();
      const report = await maintain({ collect: true });
      expect(report.removed).toBe(0);
      expect(report.deferred).toBeGreaterThan(0);
      expect((await readFile(store.weightsPath(old))).byteLength).toBeGreaterThan(0);
    });
    await withStoreLease(home, async () => {
      // this one began after a catalog without the blocks was published
      const report = await maintain({ collect: true });
      expect(report.deferred).toBe(0);
      expect(report.removed).toBeGreaterThan(0);
    });
    expect(await store.has(old)).toBe(false);
    expect(await listLeases(home)).toEqual([]);
  });

  it("keeps a block whose search begins while garbage is being collected", async () => {
    const { home, maintain, ownBlock, store, replaceWeights, run } = await setUp();
    const old = await ownBlock(TUNED);
    await replaceWeights(TUNED, "2026-02-01T00:00:00.000Z");
    const early = { pid: process.pid, host: hostname(), startedAt: new Date().toISOString() };
    await run();
    // it took its lease before the catalog was published, and opens the catalog only now
    const report = await maintain({ collect: true, leases: () => Promise.resolve([early]) });
    expect(report.removed).toBe(0);
    expect(await store.has(old)).toBe(true);
    expect(await listLeases(home)).toEqual([]);
  });

  it("does not wait for a search that was killed", async () => {
    const { home, maintain, replaceWeights, run } = await setUp();
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    await mkdir(join(home, "store", "leases"), { recursive: true });
    const lease = { pid, host: hostname(), startedAt: new Date(0).toISOString() };
    await writeFile(
      join(home, "store", "leases", "dead.json"),
      JSON.stringify({ ...lease, startedAt: new Date().toISOString() }),
    );
    await replaceWeights(TUNED, "2026-02-01T00:00:00.000Z");
    await run();
    expect(await maintain({ collect: true })).toMatchObject({ deferred: 0 });
    expect(await readdir(join(home, "store", "leases"))).toEqual([]);
  });

  it("leaves the home to a crawl that runs", async () => {
    const { home, maintain, run } = await setUp();
    let refused: unknown;
    await run({
      models: [BASE],
      onEvent: (event) => {
        if (event.kind === "family") refused = maintain({ collect: true }).catch((cause: unknown) => cause);
      },
    });
    expect(String(await refused)).toContain(`writing to the catalog of ${home}`);
  });

  it("clears away what killed crawls left half-written", async () => {
    const { home, maintain } = await setUp();
    await mkdir(join(home, "store", "tmp"), { recursive: true });
    await writeFile(join(home, "store", "tmp", "half.bin"), "x");
    await writeFile(join(home, "store", "graphs", ".half.tmp"), "x");
    await maintain({ collect: true });
    expect(await readdir(join(home, "store", "tmp")).catch(() => [])).toEqual([]);
    expect((await readdir(join(home, "store", "graphs"))).filter((name) => name.startsWith("."))).toEqual([]);
  });
});
