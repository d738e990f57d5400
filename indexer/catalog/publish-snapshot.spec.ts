import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { describe, expect, it } from "vitest";
import { sampleBlock, sampleModel } from "../../test/catalog/sample-models.ts";
import { makeHome } from "../../test/catalog/make-home.ts";
import { openCatalogReader } from "./catalog-reader.ts";
import { openCatalogWriter } from "./catalog-writer.ts";
import { runSql } from "./run-sql.ts";

const script = (name: string) => fileURLToPath(new URL(`../../test/catalog/${name}.js`, import.meta.url));
const chain = ["a", "b"].map((weight) => sampleBlock(weight));

/** Every model whole and of one revision, in all tables. */
async function expectWhole(home: string): Promise<void> {
  const reader = await openCatalogReader(home);
  const odd = await reader.query(`
    SELECT model_id FROM models AS m WHERE
      (SELECT count(*) FROM tensors AS t WHERE t.model_id = m.model_id AND t.revision = m.revision) <> 120
      OR (SELECT count(*) FROM tensors AS t WHERE t.model_id = m.model_id) <> 120
      OR (SELECT count(*) FROM model_blocks JOIN blocks USING (block_id) WHERE model_id = m.model_id) <> 40
      OR (SELECT count(*) FROM files AS f WHERE f.model_id = m.model_id) <> 1`);
  expect(odd).toEqual([]);
  const [twice] = await reader.query("SELECT count(*) - count(DISTINCT block_id) AS n FROM blocks");
  expect(twice?.number("n")).toBe(0);
  reader.close();
}

describe("publishSnapshot", () => {
  it("shows new rows to new readers while the old ones keep theirs", async () => {
    const home = await makeHome();
    const writer = await openCatalogWriter(home);
    await writer.putModel(sampleModel("org/a", chain));
    await writer.publish();
    const before = await openCatalogReader(home);
    await writer.putModel(sampleModel("org/b", chain));
    expect(await before.listModels()).toHaveLength(1);
    await writer.publish();
    const after = await openCatalogReader(home);
    expect(await before.listModels()).toHaveLength(1);
    expect(await after.listModels()).toHaveLength(2);
    before.close();
    expect(await after.listModels()).toHaveLength(2);
    after.close();
    await writer.close();
  });

  it("can be read at every moment of publishing", async () => {
    const home = await makeHome();
    const writer = await openCatalogWriter(home);
    await writer.publish();
    let done = false;
    const writing = (async () => {
      for (let i = 0; i < 10; i++) {
        await writer.putModel(sampleModel(`org/${i}`, chain));
        await writer.publish();
      }
      done = true;
    })();
    let seen = 0;
    while (!done) {
      const reader = await openCatalogReader(home);
      const models = await reader.listModels();
      expect(models.length).toBeGreaterThanOrEqual(seen);
      seen = models.length;
      reader.close();
    }
    await writing;
    await writer.close();
  });

  it("writes a file that DuckDB opens without this program, views included", async () => {
    const home = await makeHome();
    const writer = await openCatalogWriter(home);
    await writer.putModel(sampleModel("org/a", chain));
    await writer.publish();
    await writer.close();
    const instance = await DuckDBInstance.create(`${home}/catalog.duckdb`, {
      access_mode: "READ_ONLY",
      autoload_known_extensions: "false",
    });
    const connection = await instance.connect();
    for (const view of ["model_overlap", "family_overlap", "block_sharing", "sibling_overlap"])
      await connection.run(`SELECT * FROM ${view}`);
    const text = (await connection.runAndReadAll("SELECT string_agg(sql, '') FROM duckdb_views() WHERE NOT internal"))
      .getRows()
      .join();
    expect(text).not.toMatch(/snapshot|work\./);
    connection.closeSync();
    instance.closeSync();
  });

  it("removes the log of someone who wrote into the old snapshot", async () => {
    const home = await makeHome();
    const writer = await openCatalogWriter(home);
    await writer.publish();
    await writeFile(`${home}/catalog.duckdb.wal`, "not a log");
    await writer.publish();
    await writer.close();
    (await openCatalogReader(home)).close();
  });

  it("leaves both files whole when the writer is killed, and keeps others out while it lives", async () => {
    const home = await makeHome();
    let start = 0;
    for (const delay of [1, 7, 19, 40, 66, 110]) {
      const child = spawn(process.execPath, [script("put-forever"), home, String(start)], { stdio: "pipe" });
      let output = "";
      child.stdout.on("data", (data) => (output += String(data)));
      child.stderr.on("data", (data) => (output += String(data)));
      while (!output.includes("published")) await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
      await expect(openCatalogWriter(home)).rejects.toThrow(/another crawl/);
      await sleep(delay);
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      const steps = [...output.matchAll(/put (\d+)/g)].map(([, step]) => Number(step));
      start = Math.max(...steps) + 1;
      await expectWhole(home);
      const writer = await openCatalogWriter(home);
      const known = await writer.knownModels({ modelIds: ["org/model-0", "org/model-1", "org/model-2"] });
      const last = Math.max(...[...known.values()].map(({ revision }) => Number(revision)));
      expect(last).toBeGreaterThanOrEqual(start - 1); // what was told as put is there
      await writer.publish();
      await writer.close();
      await expectWhole(home);
      start = last + 1;
    }
  });

  it.skipIf(process.platform === "win32")("keeps the old snapshot when the disk is full", async () => {
    const home = await makeHome();
    const writer = await openCatalogWriter(home);
    const many = Array.from({ length: 3000 }, (_, position) => sampleBlock(`w${position}`));
    await writer.putModel(sampleModel("org/a", many));
    await writer.publish();
    await writer.close();
    const before = await readFile(`${home}/catalog.duckdb`);
    // No file may grow over 100 kB: the closest to a full disk that a test can have.
    const shell = `trap '' XFSZ; ulimit -f 100; exec "$0" "$1" "$2"`;
    const child = spawnSync("bash", ["-c", shell, process.execPath, script("publish-once"), home], {
      encoding: "utf8",
    });
    expect(child.stdout + child.stderr).toMatch(/refused|Error/);
    expect((await readFile(`${home}/catalog.duckdb`)).equals(before)).toBe(true);
    const again = await openCatalogWriter(home);
    await again.publish();
    await again.close();
    const reader = await openCatalogReader(home);
    expect(await reader.listModels()).toHaveLength(1);
    const result = await runSql(reader, "SELECT count(*) FROM blocks");
    for await (const row of result.rows()) expect(row).toEqual([3000]);
    reader.close();
  });
});
