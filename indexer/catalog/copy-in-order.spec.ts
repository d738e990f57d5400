import { DuckDBInstance } from "@duckdb/node-api";
import { describe, expect, it } from "vitest";
import { copyInOrder } from "./copy-in-order.ts";
import { readRows } from "./read-rows.ts";
import { createTableSql } from "./schema.ts";

const COLUMNS = "model_id, path, size";

/** Copies files of models with one to nine of them, and some 5,000 of one, in parts of some 100 rows. */
async function copyFiles() {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  for (const database of ["work", "snapshot"]) {
    await connection.run(`ATTACH ':memory:' AS ${database}`);
    await connection.run(createTableSql("files", database));
  }
  await connection.run(`INSERT INTO work.files BY NAME
    SELECT CASE WHEN i % 2 = 0 THEN 'org/many' ELSE 'org/' || hash(i) % 1999 END AS model_id, 'file-' || i AS path, i AS size
    FROM range(10_000) AS numbers(i)`);
  await copyInOrder(connection, "files", { key: "model_id", rows: 100 });
  const rows = async (sql: string) =>
    (await readRows(connection, sql)).map((row) => [row.text("model_id"), row.text("path"), row.number("size")]);
  const copied = await rows(`SELECT ${COLUMNS} FROM snapshot.files`);
  const expected = await rows(`SELECT ${COLUMNS} FROM work.files ORDER BY model_id, path`);
  connection.closeSync();
  instance.closeSync();
  return { copied, expected };
}

describe("copyInOrder", () => {
  it("brings every row once and in order, however many parts there are", async () => {
    const { copied, expected } = await copyFiles();
    expect(copied).toHaveLength(10_000);
    expect(copied).toEqual(expected);
  });
});
