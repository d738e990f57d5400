import { readdir } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { InputError } from "../../crawler/errors.ts";
import { BASE, sampleBlock, sampleModel } from "../../test/catalog/sample-models.ts";
import { makeHome } from "../../test/catalog/make-home.ts";
import { openCatalogReader } from "./catalog-reader.ts";
import { openCatalogWriter } from "./catalog-writer.ts";
import type { RunRecord } from "./records.ts";

const chain = ["a", "b", "c"].map((weight) => sampleBlock(weight));

describe("CatalogWriter", () => {
  it("gives back what was put", async () => {
    const home = await makeHome();
    const now = new Date("2026-01-02T03:04:05.678Z");
    const writer = await openCatalogWriter(home, () => now);
    const sample = sampleModel(BASE, chain);
    await writer.putModel(sample);
    await writer.publish();
    await writer.close();
    const reader = await openCatalogReader(home);
    const { config, preprocessing, ...indexed } = sample;
    const details = { preprocessing, input: null, headGraph: null, crawledAt: now.toISOString() };
    expect(await reader.readModel(BASE)).toEqual({ ...indexed, config, model: { ...indexed.model, ...details } });
    reader.close();
  });

  it("replaces all rows of a model and keeps the blocks until they are pruned", async () => {
    const home = await makeHome();
    const writer = await openCatalogWriter(home);
    const first = sampleModel("org/a", chain);
    const second = sampleModel("org/a", chain.slice(1), { revision: "2" });
    await writer.putModel(first);
    await writer.putModel(second);
    await writer.publish();
    const reader = await openCatalogReader(home);
    const entry = await reader.readModel("org/a");
    expect(entry?.blocks).toEqual(second.blocks);
    expect(entry?.tensors).toEqual(second.tensors);
    expect(entry?.files).toHaveLength(1);
    const [count] = await reader.query("SELECT count(*) AS n FROM blocks");
    expect(count?.number("n")).toBe(3);
    reader.close();
    expect(await writer.pruneBlocks()).toEqual([first.blocks[0]?.blockId]);
    expect(await writer.pruneBlocks()).toEqual([]);
    await writer.close();
  });

  it("runs overlapping calls one after the other, and a failing one changes nothing", async () => {
    const home = await makeHome();
    const writer = await openCatalogWriter(home);
    const broken = sampleModel("org/b", chain);
    const calls = await Promise.allSettled([
      writer.putModel(sampleModel("org/a", chain)),
      writer.putModel({ ...broken, blocks: broken.blocks.toReversed() }),
      writer.putModel({
        ...broken,
        files: [{ path: "x", size: 0.5, sha256: null, etag: null, xetHash: null, verified: null }],
      }),
      writer.putModel(sampleModel("org/c", chain)),
    ]);
    expect(calls.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
    expect([...(await writer.knownModels({ modelIds: ["org/a", "org/b", "org/c"] })).keys()].sort()).toEqual([
      "org/a",
      "org/c",
    ]);
    await writer.close();
    await expect(writer.publish()).rejects.toThrow("closed");
  });

  it("touches listing facts of models that it knows", async () => {
    const home = await makeHome();
    const writer = await openCatalogWriter(home);
    await writer.putModel(sampleModel("org/a", chain));
    await writer.putModel(sampleModel("org/b", chain));
    await writer.touchModels([
      { modelId: "org/a", downloads: 99, likes: 1, gated: null, lastModified: "2025-01-01T00:00:00.000Z" },
      { modelId: "org/b", downloads: 10, likes: null, gated: "manual", lastModified: null },
      { modelId: "org/unknown", downloads: 1, likes: 1, gated: null, lastModified: null },
    ]);
    await writer.setStatus("org/b", { status: "gone", reason: "not found" });
    await writer.publish();
    await writer.close();
    const reader = await openCatalogReader(home);
    const [a, b, ...more] = await reader.listModels();
    expect(a).toMatchObject({ downloads: 99, likes: 1, lastModified: "2025-01-01T00:00:00.000Z", gated: null });
    expect(b).toMatchObject({ downloads: 10, likes: null, gated: "manual", status: "gone", reason: "not found" });
    expect(more).toEqual([]);
    reader.close();
  });

  it("tells of the models that are asked for", async () => {
    const writer = await openCatalogWriter(await makeHome());
    await writer.putModel(sampleModel("org/a", chain));
    await writer.putModel(sampleModel("org/b", [], { family: null, status: "unsupported", reason: "no weights" }));
    expect(await writer.knownModels({ modelIds: [] })).toEqual(new Map());
    const byId = await writer.knownModels({ modelIds: ["org/b", "org/none"] });
    expect(byId.get("org/b")).toMatchObject({ status: "unsupported", family: null, reason: "no weights" });
    await writer.removeModels(["org/b"]);
    expect((await writer.knownModels({ modelIds: ["org/b"] })).size).toBe(0);
    await writer.close();
  });

  it("keeps runs, replacing one as a whole", async () => {
    const home = await makeHome();
    const writer = await openCatalogWriter(home);
    const score = { modelId: "org/a", revision: "1", round: 1, items: 25, score: 0.5, rank: 1, tied: false };
    const run: RunRecord = {
      ...{ runId: "r1", startedAt: "2026-01-01T00:00:00.000Z", finishedAt: null, family: BASE, strategy: "alsatian" },
      ...{ proxy: "linear", seed: 7, device: "cpu", dataSet: "data/pets", itemsTrain: 800, itemsTest: 200, models: 35 },
      ...{ status: "running", args: "{}", cost: null },
      rounds: [{ round: 1, models: 35, items: 25, seconds: 1.5 }],
      scores: [score, { ...score, modelId: "org/b", rank: null, tied: true }],
    };
    await writer.putRun(run);
    const done = { ...run, status: "done", finishedAt: "2026-01-01T01:00:00.000Z", scores: [score] } as const;
    await writer.putRun(done);
    await writer.publish();
    await writer.close();
    const reader = await openCatalogReader(home);
    expect(await reader.readRun("r1")).toEqual(done);
    expect(await reader.readRun("r2")).toBeUndefined();
    reader.close();
  });

  it("refuses a second writer in the same process, and gives the catalog free when closed", async () => {
    const home = await makeHome();
    const writer = await openCatalogWriter(home);
    await expect(openCatalogWriter(home)).rejects.toThrow(InputError);
    await writer.close();
    await (await openCatalogWriter(home)).close();
  });

  it("refuses a work file of a newer version", async () => {
    const home = await makeHome();
    await (await openCatalogWriter(home)).close();
    const { DuckDBInstance } = await import("@duckdb/node-api");
    const instance = await DuckDBInstance.create(`${home}/catalog/work.duckdb`);
    const connection = await instance.connect();
    await connection.run("UPDATE schema_version SET version = 99");
    connection.closeSync();
    instance.closeSync();
    await expect(openCatalogWriter(home)).rejects.toThrow(/schema 99.*newer version/);
  });

  it("leaves no temporary file behind", async () => {
    const home = await makeHome();
    const writer = await openCatalogWriter(home);
    await writer.publish();
    await writer.publish();
    await writer.close();
    expect((await readdir(home)).sort()).toEqual(["catalog", "catalog.duckdb"]);
    expect(await readdir(`${home}/catalog`)).toEqual(["work.duckdb"]);
  });

  it("takes any text as a model id", async () => {
    const home = await makeHome();
    const writer = await openCatalogWriter(home);
    const ids = [`x'; DROP TABLE models; --`, `"quoted"`, "\u001b[31mred\u0007", "a\nb", "雪/❄️", "$id", "%", "\\"];
    for (const id of ids) await writer.putModel(sampleModel(id, chain));
    for (const id of ids) await writer.putModel(sampleModel(id, chain));
    await writer.setStatus(ids[0] ?? "", { status: "failed", reason: "'; DELETE FROM models" });
    await writer.touchModels(
      ids.map((modelId) => ({ modelId, downloads: 3, likes: 1, gated: null, lastModified: null })),
    );
    await writer.publish();
    await writer.close();
    const reader = await openCatalogReader(home);
    const models = await reader.listModels({ modelIds: ids });
    expect(models.map(({ modelId }) => modelId).sort()).toEqual([...ids].sort());
    expect(models.every(({ downloads }) => downloads === 3)).toBe(true);
    expect((await reader.chains(ids)).size).toBe(ids.length);
    reader.close();
  });
});
