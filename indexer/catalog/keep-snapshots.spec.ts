import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeHome } from "../../test/catalog/make-home.ts";
import { sampleModel } from "../../test/catalog/sample-models.ts";
import { openCatalogWriter } from "./catalog-writer.ts";
import { keepSnapshots, snapshotsFolder } from "./keep-snapshots.ts";
import { DuckDBInstance } from "@duckdb/node-api";

async function modelsIn(path: string): Promise<unknown> {
  const instance = await DuckDBInstance.create(path, { access_mode: "READ_ONLY" });
  const connection = await instance.connect();
  const rows = await connection.runAndReadAll("SELECT list(model_id ORDER BY 1) AS ids FROM models");
  const [row] = rows.getRowObjectsJson();
  connection.closeSync();
  instance.closeSync();
  return row?.["ids"];
}

it("keeps the newest dated catalogs, the latest of a day, and whatever else lies there", async () => {
  const home = await makeHome();
  const writer = await openCatalogWriter(home);
  for (const [day, id] of [
    ["2026-11-19", "org/a"],
    ["2026-11-20", "org/b"],
    ["2026-11-21", "org/c"],
    ["2026-11-21", "org/d"],
  ] as const) {
    await writer.putModel(sampleModel(id, []));
    await writer.publish();
    await keepSnapshots(home, 2, new Date(`${day}T10:00:00Z`));
    await writeFile(join(snapshotsFolder(home), "notes.txt"), "mine");
  }
  await writer.putModel(sampleModel("org/e", []));
  await writer.publish();
  await writer.close();
  expect(await readdir(snapshotsFolder(home))).toEqual(["2026-11-20.duckdb", "2026-11-21.duckdb", "notes.txt"]);
  expect(await modelsIn(join(snapshotsFolder(home), "2026-11-20.duckdb"))).toEqual(["org/a", "org/b"]);
  expect(await modelsIn(join(snapshotsFolder(home), "2026-11-21.duckdb"))).toEqual([
    "org/a",
    "org/b",
    "org/c",
    "org/d",
  ]);
});
