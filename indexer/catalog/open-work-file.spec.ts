import { describe, expect, it } from "vitest";
import { makeHome } from "../../test/catalog/make-home.ts";
import { makeOldCatalog } from "../../test/catalog/old-schema.ts";
import { sampleBlock, sampleModel } from "../../test/catalog/sample-models.ts";
import { openCatalogReader } from "./catalog-reader.ts";
import { openCatalogWriter } from "./catalog-writer.ts";
import { openWorkFile } from "./open-work-file.ts";
import { readRows } from "./read-rows.ts";
import { SCHEMA_VERSION, TABLES } from "./schema.ts";

const MODEL = {
  ...{ modelId: "acme/base", revision: "rev-1", family: "acme/base", baseModel: null, architecture: "vit" },
  ...{ modelType: "vit", pipelineTag: "image-classification", library: "transformers", license: "mit" },
  ...{ downloads: 7, likes: 3, gated: null, parameters: 12, bytes: 48, backboneParameters: 8 },
  ...{ createdAt: "2024-01-01T00:00:00.000Z", lastModified: "2024-02-01T00:00:00.000Z" },
  ...{ status: "indexed", reason: null, crawledAt: "2024-03-01T00:00:00.000Z" },
};

async function reopened(home: string) {
  const writer = await openCatalogWriter(home);
  await writer.publish();
  await writer.close();
  return openCatalogReader(home);
}

describe.each([1, 2] as const)("a catalog of schema %i", (version) => {
  it("has its content in the tables of this one", async () => {
    const home = await makeHome();
    await makeOldCatalog(home, version);
    const reader = await reopened(home);
    const model = await reader.readModel("acme/base");
    expect(model?.model).toMatchObject(MODEL);
    expect(model?.config).toBe('{"a":1}');
    expect(model?.files).toEqual([
      { path: "model.safetensors", size: 48, sha256: "sha", etag: "etag", xetHash: "xet", verified: null },
    ]);
    const tensors = model?.tensors.map(({ name, hash, evidence, place }) => ({ name, hash, evidence, place }));
    expect(tensors).toEqual([
      { name: "a.weight", hash: "hash-a", evidence: "hash", place: null }, // a hash meant that the bytes were read
      { name: "head.weight", hash: null, evidence: null, place: null },
    ]);
    expect(model?.blocks).toMatchObject([{ blockId: "block-a", prefixId: "prefix-a", slots: [{ hash: "hash-a" }] }]);
    const [run] = await reader.query("SELECT score, seconds FROM run_scores JOIN run_rounds USING (run_id, round)");
    expect([run?.number("score"), run?.number("seconds")]).toEqual([0.75, 0.5]);
    const [schema] = await reader.query("SELECT version FROM schema_version");
    expect(schema?.number("version")).toBe(SCHEMA_VERSION);
    reader.close();
  });

  it("has every column in its place, so that new rows fit, and is brought up to date once", async () => {
    const home = await makeHome();
    await makeOldCatalog(home, version);
    const writer = await openCatalogWriter(home);
    const sample = sampleModel("org/new", [sampleBlock("a")]);
    await writer.putModel(sample);
    await writer.close();
    const reader = await reopened(home);
    expect((await reader.readModel("org/new"))?.tensors).toEqual(sample.tensors);
    expect((await reader.readModel("acme/base"))?.tensors).toHaveLength(2);
    for (const [table, columns] of Object.entries(TABLES)) {
      const rows = await reader.query("SELECT column_name FROM duckdb_columns() WHERE table_name = $table", { table });
      expect(rows.map((row) => row.text("column_name"))).toEqual(Object.keys(columns));
    }
    reader.close();
  });
});

it("keeps the log, the places in listings and the frontier of schema 2", async () => {
  const home = await makeHome();
  await makeOldCatalog(home, 2);
  const writer = await openCatalogWriter(home);
  expect(await writer.latestCrawl()).toMatchObject({ crawlId: "crawl-1", outcome: "done", requests: 9 });
  const name = { hub: "https://hub", listing: "tag acme/base" };
  expect(await writer.listing(name)).toMatchObject({ watermark: "2024-02-01T00:00:00.000Z", pass: null });
  const [waiting] = await writer.takeFrontier({ scope: "acme/base", crawlId: "crawl-2", limit: 10 });
  expect(waiting).toMatchObject({ listed: { id: "zoo/tuned", revision: "rev-2" }, family: "acme/base" });
  await writer.close();
});

describe("the memory that a writer may take", () => {
  const limitOf = async (home: string): Promise<string> => {
    const file = await openWorkFile(home);
    const [row] = await readRows(file.connection, "SELECT current_setting('memory_limit') AS bytes");
    file.close();
    return row?.text("bytes") ?? "";
  };

  it("is small for a file that this version made, larger for one of DuckDB's own block size", async () => {
    expect(await limitOf(await makeHome())).toBe("61.0 MiB");
    const old = await makeHome();
    await makeOldCatalog(old, 2);
    expect(await limitOf(old)).toBe("122.0 MiB");
  });
});
