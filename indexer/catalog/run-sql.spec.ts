import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../../crawler/errors.ts";
import { BASE, sampleBlock, sampleModel } from "../../test/catalog/sample-models.ts";
import { makeHome } from "../../test/catalog/make-home.ts";
import { openCatalogReader, type CatalogReader } from "./catalog-reader.ts";
import { openCatalogWriter } from "./catalog-writer.ts";
import { runSql } from "./run-sql.ts";

let home: string;
let reader: CatalogReader;

beforeAll(async () => {
  home = await makeHome();
  const writer = await openCatalogWriter(home);
  for (const id of [BASE, "org/a", "org/b"]) await writer.putModel(sampleModel(id, [sampleBlock("a")]));
  await writer.publish();
  await writer.close();
  await writeFile(join(home, "secret.csv"), "a,b\n1,2\n");
  reader = await openCatalogReader(home);
});
afterAll(() => reader.close());

async function rowsOf(sql: string): Promise<unknown[]> {
  const rows: unknown[] = [];
  for await (const row of (await runSql(reader, sql)).rows()) rows.push(row);
  return rows;
}

describe("runSql", () => {
  it.each([
    ["SELECT count(*) FROM models", [[3]]],
    ["FROM models SELECT model_id ORDER BY model_id LIMIT 1;", [[BASE]]],
    ["CREATE TEMP TABLE t AS SELECT 7 AS x; SELECT x FROM t", [[7]]],
    ["CREATE TEMP MACRO double(x) AS 2 * x; SELECT double(21)", [[42]]],
    ["SET VARIABLE k = 5; SELECT getvariable('k')", [[5]]],
    ["PIVOT (SELECT status FROM models) ON status USING count(*)", [[3]]],
    ["SELECT pattern, count(*) FROM model_overlap GROUP BY ALL", [["identical", 2]]],
  ])("runs %s", async (sql, expected) => {
    expect(await rowsOf(sql)).toEqual(expected);
  });

  it("gives values as JSON has them", async () => {
    const sql = `SELECT 9007199254740993::BIGINT, 5::HUGEINT, 0.25, created_at, DATE '2024-02-29', [1::BIGINT, NULL],
      {'a': true}, NULL, 'nan'::DOUBLE, 123456789012345678.5 FROM models LIMIT 1`;
    expect(await rowsOf(sql)).toEqual([
      [
        "9007199254740993",
        5,
        0.25,
        "2024-03-01T10:00:00Z",
        "2024-02-29",
        [1, null],
        { a: true },
        null,
        "NaN",
        "123456789012345678.5",
      ],
    ]);
  });

  it("leaves nothing behind for the next query", async () => {
    await rowsOf("CREATE TEMP TABLE models AS SELECT 1 AS x; SELECT 1");
    expect(await rowsOf("SELECT count(*) FROM models")).toEqual([[3]]);
  });

  it.each([
    "CREATE TABLE t (x INTEGER)",
    "INSERT INTO models SELECT * FROM models",
    "UPDATE models SET license = 'x'",
    "DELETE FROM models",
    "DROP TABLE models",
    "DROP VIEW model_overlap",
    "ALTER TABLE models ADD COLUMN x INTEGER",
    "ATTACH 'FOLDER/other.db'",
    "ATTACH ':memory:' AS m",
    "SELECT * FROM read_text('FOLDER/secret.csv')",
    "SELECT * FROM read_csv('FOLDER/secret.csv')",
    "SELECT * FROM glob('FOLDER/*')",
    "SELECT * FROM sniff_csv('FOLDER/secret.csv')",
    "FROM 'FOLDER/secret.csv'",
    "FROM 'https://example.com/x.parquet'",
    "COPY models TO 'FOLDER/out.csv'",
    "COPY (SELECT 1) TO 'FOLDER/out.csv'",
    "EXPORT DATABASE 'FOLDER/out.csv'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET allowed_paths = ['FOLDER/secret.csv']",
    "SET temp_directory = 'FOLDER/out.csv'",
    "PRAGMA profiling_output = 'FOLDER/out.csv'",
    "SET lock_configuration = false",
    "CREATE PERSISTENT SECRET (TYPE s3)",
    "CALL enable_logging(storage = 'file', storage_config = {'path': 'FOLDER/out.csv'})",
    "FROM enable_logging(storage = 'file', storage_config = {'path': 'FOLDER/out.csv'})",
    "CHECKPOINT",
    "SELEC 1",
    "SELECT x FROM models",
    "",
    "-- nothing",
  ])("refuses %s", async (sql) => {
    const before = await readFile(join(home, "catalog.duckdb"));
    await expect(rowsOf(sql.replaceAll("FOLDER", home))).rejects.toThrow(InputError);
    expect(existsSync(join(home, "out.csv"))).toBe(false);
    expect((await readFile(join(home, "catalog.duckdb"))).equals(before)).toBe(true);
    expect(await rowsOf("SELECT count(*) FROM models")).toEqual([[3]]);
  });

  it("stops when it is aborted", async () => {
    const controller = new AbortController();
    const query = runSql(
      reader,
      "SELECT sum(a.range * b.range) FROM range(10000000) AS a, range(100000) AS b",
      controller.signal,
    );
    setTimeout(() => controller.abort(new Error("stopped")), 50);
    await expect(query.then(async (result) => await result.rows().next())).rejects.toThrow("stopped");
    await expect(runSql(reader, "SELECT 1", controller.signal)).rejects.toThrow("stopped");
  });

  it("streams, and can be left early", async () => {
    const result = await runSql(reader, "SELECT range AS i FROM range(1000000000)");
    for await (const [value] of result.rows()) if (value === 5) break;
    expect(await rowsOf("SELECT 1")).toEqual([[1]]);
  });
});
