import { describe, expect, it } from "vitest";
import { makeHome } from "../../test/catalog/make-home.ts";
import { openWorkFile, type WorkFile } from "./open-work-file.ts";
import { readRows } from "./read-rows.ts";

async function ask(file: WorkFile, sql: string): Promise<unknown> {
  const [row] = await readRows(file.connection, `SELECT (${sql})::VARCHAR AS answer`);
  return row?.text("answer");
}

const BYTES = "SELECT sum(memory_usage_bytes) FROM duckdb_memory()";
const LIMIT = "current_setting('memory_limit')";

describe("giveBackMemory", () => {
  it("gives back the blocks that are in memory, and keeps rows and limit", async () => {
    const file = await openWorkFile(await makeHome());
    const limit = await ask(file, LIMIT);
    await file.connection.run("INSERT INTO garbage SELECT md5(i::VARCHAR), now() FROM range(100000) r(i)");
    const sum = "SELECT count(DISTINCT block_id) FROM garbage";
    const before = [await ask(file, sum), await ask(file, sum)];
    const bytes = Number(await ask(file, BYTES));
    await file.giveBackMemory();
    expect(Number(await ask(file, BYTES))).toBeLessThan(bytes / 4);
    expect(await ask(file, LIMIT)).toBe(limit);
    expect([await ask(file, sum), "100000"]).toEqual(before);
    file.close();
  });
});
