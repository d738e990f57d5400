import { readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sampleBlock, sampleModel } from "../../test/catalog/sample-models.ts";
import { makeHome } from "../../test/catalog/make-home.ts";
import { openCatalogReader, type CatalogReader } from "./catalog-reader.ts";
import { openCatalogWriter } from "./catalog-writer.ts";
import { formatRows, type RowFormat } from "./format-rows.ts";
import { runSql } from "./run-sql.ts";

let home: string;
let reader: CatalogReader;

beforeAll(async () => {
  home = await makeHome();
  const writer = await openCatalogWriter(home);
  await writer.putModel(sampleModel("org/\u001b[31mred", [sampleBlock("a")]));
  await writer.publish();
  await writer.close();
  reader = await openCatalogReader(home);
});
afterAll(() => reader.close());

async function format(sql: string, kind: RowFormat, columns?: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of formatRows(await runSql(reader, sql), kind, columns)) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

describe("formatRows", () => {
  it("writes tables with numbers to the right and nothing that steers a terminal", async () => {
    const sql = "SELECT model_id, downloads, 1234.5::DOUBLE AS x, NULL AS n FROM models";
    expect(String(await format(sql, "table"))).toBe(
      [
        "model_id           downloads       x     n",
        "─────────────────  ─────────  ──────  ────",
        "org/\\u001b[31mred         10  1234.5  NULL",
        "(1 row)",
        "",
      ].join("\n"),
    );
  });

  it("cuts columns to the width of the terminal", async () => {
    const lines = String(await format("FROM models", "table", 250)).split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(250);
    const long = String(await format("SELECT repeat('雪', 100) AS a, 'b' AS b", "table"));
    expect(long).toContain(`${"雪".repeat(39)}…`);
  });

  it("writes CSV as RFC 4180 says", async () => {
    const sql = `SELECT 'a,b' AS "x,y", 'say "hi"' AS q, e'two\\r\\nlines' AS l, '' AS e, NULL AS n, [1, 2] AS i, true AS t`;
    expect(String(await format(sql, "csv"))).toBe(
      '"x,y",q,l,e,n,i,t\r\n"a,b","say ""hi""","two\r\nlines","",,"[1,2]",true\r\n',
    );
  });

  it("writes JSON that parses, also without rows and with a name twice", async () => {
    expect(JSON.parse(String(await format("SELECT 1 AS a, 2 AS a, model_id FROM models", "json")))).toEqual([
      { a: 1, "a:1": 2, model_id: "org/\u001b[31mred" },
    ]);
    expect(JSON.parse(String(await format("SELECT 1 WHERE false", "json")))).toEqual([]);
  });

  it("writes Parquet, whatever the types and names are, and nothing else", async () => {
    const file = join(home, "rows.parquet");
    const trap = `a"); COPY (SELECT 1) TO ''${join(home, "trap.csv")}''; --`;
    const sql = `SELECT range AS i, NULL AS n, [1.5] AS l, {'${trap}': 1} AS s, 'x'::ENUM ('x', 'y''z') AS e,
      MAP {'k': 1} AS m, now()::TIMESTAMP AS t, 1 AS "q""uote" FROM range(5000)`;
    await writeFile(file, await format(sql, "parquet"));
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    const read = await connection.runAndReadAll(`SELECT count(*), sum(i), any_value("q""uote") FROM '${file}'`);
    expect(read.getRowsJson()).toEqual([["5000", "12497500", 1]]);
    connection.closeSync();
    instance.closeSync();
    expect((await readdir(home)).sort()).toEqual(["catalog", "catalog.duckdb", "rows.parquet"]);
  });

  it("leaves no temporary folder behind when a query fails while it is written", async () => {
    const folders = async () => (await readdir(tmpdir())).filter((name) => /^alsatian-(?!catalog)/.test(name)).length;
    const before = await folders();
    const sql = "SELECT CASE WHEN range < 100000 THEN '1' ELSE 'x' END::INTEGER FROM range(200000)";
    await expect(format(sql, "parquet")).rejects.toThrow(/Could not convert/);
    expect(await folders()).toBeLessThanOrEqual(before);
  });
});
