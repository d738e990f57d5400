import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../../crawler/errors.ts";
import { BASE, sampleBlock, sampleModel } from "../../test/catalog/sample-models.ts";
import { makeHome } from "../../test/catalog/make-home.ts";
import { openCatalogReader, type CatalogReader } from "./catalog-reader.ts";
import { openCatalogWriter } from "./catalog-writer.ts";

let reader: CatalogReader;

beforeAll(async () => {
  const home = await makeHome();
  const writer = await openCatalogWriter(home);
  await writer.putModel(sampleModel(BASE, [sampleBlock("a")], { downloads: 500 }));
  await writer.putModel(sampleModel("org/a", [sampleBlock("a")], { license: "mit", downloads: 20 }));
  await writer.putModel(sampleModel("org/b", [], { status: "gated", reason: "ask its owner", downloads: null }));
  const twins = ["one/twin", "two/twin"];
  for (const id of twins) await writer.putModel(sampleModel(id, [sampleBlock(id)], { family: id }));
  await writer.publish();
  await writer.close();
  reader = await openCatalogReader(home);
});
afterAll(() => reader.close());

const ids = async (query: Parameters<CatalogReader["listModels"]>[0]) =>
  (await reader.listModels(query)).map(({ modelId }) => modelId);

describe("listModels", () => {
  it("lists by family, in either spelling, by id and by status", async () => {
    expect(await ids({ families: [BASE] })).toEqual([BASE, "org/a", "org/b"]);
    expect(await ids({ families: ["detr-resnet-50"], status: "indexed" })).toEqual([BASE, "org/a"]);
    expect(await ids({ families: ["detr-resnet-50", "one/twin"], modelIds: ["one/twin", "org/a"] })).toEqual([
      "one/twin",
      "org/a",
    ]);
    expect(await ids({ families: ["unknown"] })).toEqual([]);
    expect(await ids({ families: [] })).toEqual([]);
  });

  it("refuses a short name that two families have", async () => {
    await expect(ids({ families: ["twin"] })).rejects.toThrow(/one\/twin, two\/twin/);
    expect(await reader.findFamily("two/twin")).toBe("two/twin");
  });

  it.each([
    ["license = 'mit'", ["org/a"]],
    ["downloads > 10 AND status = 'indexed' AND family LIKE '%detr%'", [BASE, "org/a"]],
    ["downloads > 100 OR license = 'mit' -- popular or free", [BASE, "org/a"]],
    ["model_id IN (SELECT model FROM model_overlap WHERE pattern = 'identical')", ["org/a"]],
    ["NULL::BOOLEAN", []],
  ])("takes the condition %s", async (where, expected) => {
    expect(await ids({ where, families: [BASE] })).toEqual(expected);
  });

  it.each([
    ["no column", "stars > 1", /"stars" not found/],
    ["no condition", "downloads", /expected true or false, got BIGINT/],
    ["nothing", "", /is not a condition/],
    ["a bracket too much", "true) OR (false", /syntax error/],
    ["a union", "true) UNION ALL SELECT * FROM models WHERE (true", /syntax error/],
    ["two expressions", "true, true", /expected one expression, got 2/],
    ["a second statement", "true FROM models; SELECT true", /2 statements/],
    ["a statement", "true; DROP TABLE models", /is not a condition/],
    ["a place for a value", "downloads > $1", /expected values/],
    ["an aggregate", "max(downloads) > 1", /aggregates/],
    ["a query log", "EXISTS (FROM enable_logging())", /not allowed/],
    ["a file", "model_id IN (SELECT content FROM read_text('/etc/hostname'))", /disabled by configuration/],
    ["a cast that fails on a row", "license::INTEGER = 1", /Could not convert/],
  ])("refuses %s", async (_, where, message) => {
    const listed = reader.listModels({ where });
    await expect(listed).rejects.toThrow(InputError);
    await expect(listed).rejects.toThrow(message);
  });

  it("counts the models of families", async () => {
    const families = await reader.families();
    expect(families.map(({ family, base, models, indexed, gated }) => [family, base, models, indexed, gated])).toEqual([
      ["detr-resnet-50", BASE, 3, 2, 1],
      ["twin", "one/twin", 1, 1, 0],
      ["twin", "two/twin", 1, 1, 0],
    ]);
  });

  it("says what is wrong with a file that is no catalog", async () => {
    const home = await makeHome();
    await writeFile(`${home}/catalog.duckdb`, "x".repeat(20_000));
    await expect(openCatalogReader(home)).rejects.toThrow(/cannot be opened for reading: .*a crawl writes it anew/s);
  });

  it("says what to do where nothing is indexed", async () => {
    await expect(openCatalogReader(await makeHome())).rejects.toThrow(
      /nothing is indexed in .* yet: run `alsatian crawl/,
    );
  });
});
