import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../../crawler/errors.ts";
import type { DataSet } from "./data-set.ts";
import { loadDataSet } from "./load-data-set.ts";
import { readItem } from "./read-item.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tabular-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function write(name: string, lines: readonly string[]): Promise<string> {
  await writeFile(join(root, name), lines.join("\n") + "\n");
  return join(root, name);
}
const load = (path: string, options = {}) => loadDataSet({ path, home: root, ...options });
const labels = ({ classes, train }: DataSet) => train.map(({ label }) => classes[label]);

async function writeParquet(name: string, select: string, metadata = ""): Promise<string> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const path = join(root, name);
  await connection.run(`COPY (${select}) TO '${path}' (FORMAT parquet${metadata})`);
  connection.closeSync();
  instance.closeSync();
  return path;
}

describe("tables of pictures", () => {
  it("reads paths relative to a CSV file, labels as they are written, and a split", async () => {
    const path = await write("pictures.csv", [
      "image_path,label,split",
      "a/1.png,01,train",
      "b/2.png,2,train",
      "/abs/3.png,10,train",
      "a/4.png,01,validation",
      "a/5.png,01,extra",
    ]);
    const dataSet = await load(path);
    expect(dataSet).toMatchObject({ kind: "image", name: "pictures", classes: ["01", "2", "10"] });
    expect(labels(dataSet)).toEqual(["01", "2", "10"]);
    expect(dataSet.train[0]).toEqual({
      kind: "image",
      id: "pictures.csv:1 a/1.png",
      label: 0,
      path: join(root, "a/1.png"),
    });
    expect(dataSet.train[2]).toMatchObject({ path: "/abs/3.png" });
    expect(dataSet.test.map(({ id }) => id)).toEqual(["pictures.csv:4 a/4.png"]);
    expect(dataSet.notes).toEqual(["tested on the split validation; 1 rows of other splits are not used"]);
  });

  it("unpacks the bytes of a Parquet file, with class names that `datasets` wrote", async () => {
    const info = {
      info: { features: { label: { names: ["cat", "dog"], _type: "ClassLabel" }, image: { _type: "Image" } } },
    };
    const rows = ["one", "two", "three", "four"].map(
      (text, i) => `SELECT {'bytes': '${text}'::BLOB, 'path': '${i}.png'} AS image, ${i % 2}::BIGINT AS label`,
    );
    const metadata = `, KV_METADATA {huggingface: '${JSON.stringify(info)}'}`;
    const path = await writeParquet("[pets].parquet", rows.join(" UNION ALL "), metadata);
    const dataSet = await load(path, { seed: 3 });
    expect(dataSet.classes).toEqual(["cat", "dog"]);
    expect(dataSet.notes).toEqual(["no test part: 20 % of each class held back (2 of 4)"]);
    const all = [...dataSet.train, ...dataSet.test].sort((a, b) => (a.id < b.id ? -1 : 1));
    expect(all.map(({ id }) => id)).toEqual([1, 2, 3, 4].map((row) => `[pets].parquet:${row} ${row - 1}.png`));
    const contents = all.map(async (item) => (item.kind === "image" ? Buffer.from(readItem(item)).toString() : ""));
    expect(await Promise.all(contents)).toEqual(["one", "two", "three", "four"]);
    const [first] = all;
    expect(first?.kind === "image" && (await readFile(first.path, "utf8"))).toBe("onetwothreefour");
    expect(await load(path, { seed: 3 })).toEqual(dataSet);
  });

  it("reads JSON lines of paths, and plain bytes", async () => {
    const path = await write("p.jsonl", [
      '{"file_name": "x.jpg", "text": "a caption", "category": "up"}',
      '{"file_name": "y.jpg", "text": "a caption", "category": "down"}',
    ]);
    const test = await write("t.jsonl", ['{"file_name": "z.jpg", "category": "up"}']);
    const dataSet = await load(path, { test });
    expect(dataSet).toMatchObject({ kind: "image", classes: ["down", "up"] });
    expect(dataSet.test).toEqual([{ kind: "image", id: "t.jsonl:1 z.jpg", label: 1, path: join(root, "z.jpg") }]);
    const plain = await writeParquet("plain.parquet", "SELECT 'ab'::BLOB AS bytes, i AS target FROM range(4) t(i)");
    await expect(load(plain, { test: plain })).resolves.toMatchObject({ kind: "image", classes: ["0", "1", "2", "3"] });
  });
});

describe("tables of texts", () => {
  it("reads sentences and labels", async () => {
    const path = await write("s.csv", ["sentence,label", '"good, really",1', "bad,0", "fine,1", "awful,0"]);
    const dataSet = await load(path);
    expect(dataSet.kind).toBe("text");
    expect([...dataSet.train, ...dataSet.test]).toContainEqual({
      kind: "text",
      id: "s.csv:1",
      label: 1,
      text: "good, really",
    });
  });

  it("takes the columns that are named", async () => {
    const path = await write("n.csv", ["text,body,label,mood", "a,A,1,x", "b,B,1,y"]);
    const dataSet = await load(path, { test: path, columns: { text: "body", label: "mood" } });
    expect(dataSet.classes).toEqual(["x", "y"]);
    expect(dataSet.train.map((item) => item.kind === "text" && item.text)).toEqual(["A", "B"]);
  });
});

describe("what is wrong with a table", () => {
  const cases: [lines: string[], options: object, message: string | RegExp][] = [
    [["a,b", "1,2"], {}, /no label column found .*; the columns are a, b. Name it with --label-column/],
    [["a,label", "1,2"], {}, "no column of pictures or texts found; the columns are a, label"],
    [["text,label", "x,2"], { columns: { label: "mood" } }, 'has no column "mood" (--label-column)'],
    [["text,label", "x,2", "y,2"], {}, 'has only one class, "2"'],
    [["text,label", "x,", ",1"], {}, /row 1 has no label, row 2 has no text$/],
    [["image,label", "https://x.org/1.png,1"], {}, "row 1 names an address, not a file"],
    [["text,label"], {}, "has no rows"],
    [["text,label,split", "x,1,test", "y,2,test"], {}, "no rows with the split train"],
    [["text,label,split", "x,1,train", "y,2,train", "z,3,test"], {}, 'does not have: "3"'],
    [["text,label", "x,1", "y,2"], {}, "each class needs at least 2 items"],
  ];
  it.each(cases)("%j", async (lines, options, message) => {
    const path = await write("wrong.csv", lines);
    await expect(load(path, options)).rejects.toThrow(InputError);
    await expect(load(path, options)).rejects.toThrow(message);
  });

  it("says what it takes, and what is missing", async () => {
    await expect(load(join(root, "none"))).rejects.toThrow(/^--data: there is no file or folder .*none$/);
    await expect(load(await write("x.xlsx", [""]))).rejects.toThrow(/ending in .csv, .tsv, .jsonl, .*got .*x.xlsx$/);
    const path = await write("s2.csv", ["text,label", "x,1", "y,2"]);
    await expect(load(path, { test: join(root, "none") })).rejects.toThrow(/^--test: there is no/);
    await expect(load(await write("broken.parquet", ["no"]))).rejects.toThrow(/^cannot read .*broken.parquet: /);
  });
});
