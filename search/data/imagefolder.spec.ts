import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InputError } from "../../crawler/errors.ts";
import { fingerprintDataSet, fingerprintItems } from "./fingerprint-items.ts";
import { loadImageFolder } from "./imagefolder.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "imagefolder-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** Files are never decoded here, so any content does: it is the file's own name. */
async function fill(...names: string[]): Promise<void> {
  for (const name of names) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), name);
  }
}
const load = (options = {}) => loadImageFolder({ path: root, ...options });
const ids = (items: readonly { id: string }[]) => items.map(({ id }) => id);

describe("loadImageFolder", () => {
  it("reads train and test, classes and items in code-unit order", async () => {
    await fill("train/b/2.png", "train/b/10.PNG", "train/a/x.jpeg", "train/B/y.webp", "test/a/t.jpg", "val/a/v.jpg");
    const { classes, train, test, notes, kind } = await load();
    expect(kind).toBe("image");
    expect(classes).toEqual(["B", "a", "b"]);
    expect(ids(train)).toEqual(["train/B/y.webp", "train/a/x.jpeg", "train/b/10.PNG", "train/b/2.png"]);
    expect(train.map(({ label }) => label)).toEqual([0, 1, 2, 2]);
    expect(test).toEqual([{ kind: "image", id: "test/a/t.jpg", label: 1, path: join(root, "test/a/t.jpg") }]);
    expect(notes).toEqual(["tested on test, not on val"]);
  });

  it.each(["val", "validation"])("tests on %s where there is no test", async (name) => {
    await fill("train/a/1.png", "train/b/1.png", `${name}/b/1.png`);
    expect(ids((await load()).test)).toEqual([`${name}/b/1.png`]);
  });

  it("takes a test folder from elsewhere", async () => {
    await fill("data/a/1.png", "data/b/1.png", "other/b/9.png");
    const { train, test } = await loadImageFolder({ path: join(root, "data"), test: join(root, "other") });
    expect([ids(train), ids(test)]).toEqual([["a/1.png", "b/1.png"], ["b/9.png"]]);
  });

  it("holds back a fifth of each class by the seed", async () => {
    await fill(...Array.from({ length: 10 }, (_, i) => [`a/${i}.png`, `b/${i}.png`, `b/x${i}.png`]).flat());
    const { train, test, notes } = await load({ seed: 1 });
    expect(test.filter(({ label }) => label === 0)).toHaveLength(2);
    expect(test.filter(({ label }) => label === 1)).toHaveLength(4);
    expect([...ids(train), ...ids(test)].sort()).toHaveLength(30);
    expect(ids((await load({ seed: 1 })).test)).toEqual(ids(test));
    expect(ids((await load({ seed: 2 })).test)).not.toEqual(ids(test));
    expect(notes).toEqual(["no test folder: 20 % of each class held back (6 of 30)"]);
  });

  it("ignores what is no picture, follows links and folders in classes", async () => {
    await fill("train/a/1.png", "train/a/.hidden.png", "train/a/Thumbs.db", "train/a/notes.txt", "train/a/more/2.png");
    await fill("train/b/1.png", "test/b/1.png", ".DS_Store", "train/.git/x.png", "pool/3.png");
    await symlink(join(root, "pool/3.png"), join(root, "train/b/3.png"));
    await symlink(join(root, "train"), join(root, "train/b/loop"));
    const { classes, train, notes } = await load();
    expect(classes).toEqual(["a", "b"]);
    expect(ids(train)).toEqual(["train/a/1.png", "train/a/more/2.png", "train/b/1.png", "train/b/3.png"]);
    expect(notes).toEqual(["1 other files ignored (pictures are .png, .jpg, .jpeg, .webp)"]);
  });

  it("names what is wrong", async () => {
    const refused = async (message: string | RegExp) => {
      await expect(load()).rejects.toThrow(InputError);
      await expect(load()).rejects.toThrow(message);
      await rm(root, { recursive: true });
      await mkdir(root);
    };
    await fill("1.png", "2.png");
    await refused("holds 2 files, but no folders; expected one folder for each class");
    await fill("metadata.csv", "1.png");
    await refused(/For the data set in metadata.csv, name that file$/);
    await refused("holds nothing");
    await fill("train/a/1.png", "test/a/2.png");
    await refused('only one class, "a"');
    await fill("a/1.txt", "b/2.bmp");
    await refused("holds no pictures (.png, .jpg, .jpeg, .webp), only 2 other files");
    await fill("train/a/1.png", "train/b/1.png", "train/c/readme.md", "test/a/1.png");
    await refused('no pictures in the class folder "c"; fill or remove it');
    await fill("train/a/1.png", "train/b/1.png", "test/z/1.png");
    await refused('classes that the training part does not have: "z"');
    await fill("train/a/1.png", "train/b/1.png", "test/a/x.txt");
    await refused("holds no pictures to test on");
    await fill("test/a/1.png", "test/b/1.png");
    await refused("has test but no train folder");
    await fill("a/1.png", "b/1.png", "b/2.png");
    await refused("each class needs at least 2 items, one to learn from and one to test on; too few: a");
    await expect(loadImageFolder({ path: join(root, "none") })).rejects.toThrow(/cannot read the folder .*none/);
  });
});

describe("fingerprints", () => {
  it("name contents and order, not places", async () => {
    await fill("train/a/1.png", "train/b/1.png", "test/a/1.png");
    const before = await load();
    const print = await fingerprintItems(before.train);
    expect(print).toMatch(/^[0-9a-f]{64}$/);
    expect(await fingerprintItems([...before.train].reverse())).not.toBe(print);
    const relabelled = { ...before, classes: ["a", "c"] };
    expect(await fingerprintDataSet(relabelled)).not.toBe(await fingerprintDataSet(before));
    await writeFile(join(root, "train/a/1.png"), "changed");
    expect(await fingerprintItems((await load()).train)).not.toBe(print);
  });

  it("read a range of a file, and do not fail at what is missing", async () => {
    await fill("pack");
    const path = join(root, "pack");
    const item = (begin: number, end: number) => ({
      kind: "image" as const,
      id: "",
      label: 0,
      path,
      range: { begin, end },
    });
    await fill("ac");
    const whole = { kind: "image" as const, id: "", label: 0, path: join(root, "ac") };
    expect(await fingerprintItems([item(1, 3)])).toBe(await fingerprintItems([whole]));
    expect(await fingerprintItems([item(0, 0)])).toMatch(/^[0-9a-f]{64}$/);
    expect(await fingerprintItems([{ ...whole, path: join(root, "missing") }])).toMatch(/^[0-9a-f]{64}$/);
  });
});
