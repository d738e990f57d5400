import { DuckDBInstance } from "@duckdb/node-api";
import { describe, expect, it } from "vitest";
import { copyInOrder } from "./copy-in-order.ts";
import { readRows } from "./read-rows.ts";
import { createTableSql } from "./schema.ts";

const COLUMNS = "model_id, path, size";

/** Copies files of models with one to nine of them, and some 5,000 of one, in parts of about so many rows. */
async function copyFiles(rowsOfPart: number) {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  for (const database of ["work", "snapshot", "scratch"]) {
    await connection.run(`ATTACH ':memory:' AS ${database}`);
    if (database !== "scratch") await connection.run(createTableSql("files", database));
  }
  await connection.run(`INSERT INTO work.files BY NAME
    SELECT CASE WHEN i % 2 = 0 THEN 'org/many' ELSE 'org/' || hash(i) % 1999 END AS model_id, 'file-' || hash(i) AS path, i AS size
    FROM range(10_000) AS numbers(i)`);
  await copyInOrder(connection, "files", { key: "model_id", rows: rowsOfPart });
  const rows = async (sql: string) =>
    (await readRows(connection, sql)).map((row) => [row.text("model_id"), row.text("path"), row.number("size")]);
  const copied = await rows(`SELECT ${COLUMNS} FROM snapshot.files`);
  const expected = await rows(`SELECT ${COLUMNS} FROM work.files ORDER BY model_id, path`);
  const left = await readRows(connection, "SELECT table_name FROM duckdb_tables() WHERE database_name = 'scratch'");
  connection.closeSync();
  instance.closeSync();
  return { copied, expected, left };
}

describe("copyInOrder", () => {
  it.each([
    ["one part", 20_000],
    ["parts of the table", 1000],
    ["parts of ranges of it", 100],
    ["parts of ranges of ranges, one key's rows being many times a part", 10],
  ])("brings every row once and in order: %s", async (_name, rowsOfPart) => {
    const { copied, expected, left } = await copyFiles(rowsOfPart);
    expect(copied).toHaveLength(10_000);
    expect(copied).toEqual(expected);
    expect(left).toEqual([]);
  });
});
