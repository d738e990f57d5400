import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createHubClient } from "../../crawler/hub/hub-client.ts";
import { startLocalHub, type LocalHub } from "../../crawler/local-hub/start-local-hub.ts";
import { packageFile } from "../../crawler/package-file.ts";
import { makeHubFolder, type HubFolderFixture } from "../../test/hub/make-hub-folder.ts";
import { fetchHubDataSet, splitOf } from "./hub-data-set.ts";
import { loadDataSet } from "./load-data-set.ts";

describe("splitOf", () => {
  it.each([
    ["data/train-00000-of-00002.parquet", "train"],
    ["data/test-00000-of-00001.parquet", "test"],
    ["data/validation-00000-of-00001.parquet", "test"],
    ["default/train/0000.parquet", "train"],
    ["plain_text/test/0000.parquet", "test"],
    ["data/contest.parquet", null],
    ["all.parquet", null],
  ])("of %s is %s", (path, split) => expect(splitOf(path)).toBe(split));
});

describe("fetchHubDataSet", () => {
  let folder: HubFolderFixture;
  let hub: LocalHub;
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "alsatian-hub-data-"));
    folder = await makeHubFolder({
      "datasets/acme/digits": {
        "README.md": "---\nlicense: mit\n---\n",
        "data/train-00000-of-00001.parquet": await parquetOf("train", 4),
        "data/test-00000-of-00001.parquet": await parquetOf("test", 2),
      },
      "datasets/acme/empty": { "README.md": "nothing here\n" },
    });
    hub = await startLocalHub({ root: folder.root });
  });
  afterAll(async () => {
    await hub.close();
    await folder[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  });

  /** Pictures of two classes, as the Hub stores them: a struct of bytes and path, and a label. */
  async function parquetOf(part: string, count: number): Promise<Uint8Array> {
    const instance = await DuckDBInstance.create();
    const connection = await instance.connect();
    try {
      await connection.run("CREATE TABLE t (image STRUCT(bytes BLOB, path VARCHAR), label INTEGER)");
      for (const label of [0, 1]) {
        const shelf = packageFile("data", "sample-images", part, String(label));
        for (const name of (await readdir(shelf)).sort().slice(0, count)) {
          const hex = (await readFile(join(shelf, name))).toString("hex");
          await connection.run(`INSERT INTO t VALUES ({'bytes': unhex('${hex}'), 'path': '${name}'}, ${label})`);
        }
      }
      const path = join(home, `${part}.parquet`);
      await connection.run(`COPY t TO '${path}' (FORMAT parquet)`);
      return await readFile(path);
    } finally {
      connection.closeSync();
      instance.closeSync();
    }
  }

  it("reads the pictures of a data set of the hub, and downloads its files once", async () => {
    const client = createHubClient({ url: hub.url, token: null });
    try {
      const fetchHub = (id: string) => fetchHubDataSet({ client, id, home });
      const first = await loadDataSet({ path: "hf:acme/digits", home, fetchHub });
      expect([first.kind, first.train.length, first.test.length, first.classes]).toEqual(["image", 8, 4, ["0", "1"]]);
      const downloads = () => hub.requests.filter(({ kind }) => kind === "cdn").length;
      const before = downloads();
      expect(before).toBeGreaterThan(0);
      expect(await loadDataSet({ path: "hf:acme/digits", home, fetchHub })).toEqual(first);
      expect(downloads()).toBe(before);
    } finally {
      await client.close();
    }
  });

  it("says what is wrong with a data set that cannot be read", async () => {
    const client = createHubClient({ url: hub.url, token: null });
    try {
      const fetch = (id: string) => fetchHubDataSet({ client, id, home });
      await expect(fetch("acme/nothing")).rejects.toThrow(/has no data set acme\/nothing/);
      await expect(fetch("acme/empty")).rejects.toThrow(/acme\/empty has no Parquet files/);
      await expect(fetch("../etc")).rejects.toThrow(/is not the id of a data set/);
    } finally {
      await client.close();
    }
  });
});
