import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BadItemsError } from "./bad-items.ts";
import { checkItems, skipBadItems } from "./check-items.ts";
import type { ImageItem } from "./data-set.ts";
import { decodeImage } from "./decode-image.ts";
import { openInputs } from "./input-cache.ts";
import { parsePreprocessorConfig } from "../../crawler/preprocessing/parse-preprocessor-config.ts";
import { preprocessImage } from "./preprocess-image.ts";
import { preprocessItems } from "./preprocess-pool.ts";

let root: string;
let items: ImageItem[];
const { preprocessing } = parsePreprocessorConfig(
  { image_processor_type: "ViTImageProcessor", size: 8 },
  { modelType: "" },
);
const itemBytes = 3 * 8 * 8;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "inputs-"));
  items = await Promise.all(
    Array.from({ length: 24 }, async (_, i) => {
      const path = join(root, `${i}.png`);
      const background = { r: i * 10, g: 255 - i, b: i };
      await sharp({ create: { width: 9 + i, height: 20, channels: 3, background } }).toFile(path);
      return { kind: "image" as const, id: `${i}.png`, label: i % 2, path };
    }),
  );
});
afterAll(() => rm(root, { recursive: true, force: true }));

const home = () => mkdtemp(join(root, "home-"));
const broken = (name: string): ImageItem => ({ kind: "image", id: name, label: 0, path: join(root, name) });

describe("openInputs", () => {
  it.each([0, 1, 3])("keeps the order of the items with %i threads", async (threads) => {
    const { path, kept } = await openInputs({ home: await home(), items, preprocessing, threads });
    await kept;
    const bytes = new Uint8Array(await readFile(path));
    expect(bytes.length).toBe(24 * itemBytes);
    for (const [i, item] of items.entries()) {
      const expected = preprocessImage(await decodeImage(await readFile(item.path)), preprocessing);
      expect(bytes.subarray(i * itemBytes, (i + 1) * itemBytes)).toEqual(expected);
    }
  });

  it("prepares pictures once for all models of the same geometry", async () => {
    const folder = await home();
    let prepared = 0;
    const open = async (size: number, mean: number, some = items) => {
      const config = { image_processor_type: "ViTImageProcessor", size, image_mean: mean };
      const parsed = parsePreprocessorConfig(config, { modelType: "" });
      const inputs = await openInputs({
        home: folder,
        items: some,
        preprocessing: parsed.preprocessing,
        threads: 0,
        onProgress: () => prepared++,
      });
      await inputs.kept;
      return prepared;
    };
    expect(await open(8, 0.5)).toBe(24);
    expect(await open(8, 0.4)).toBe(24);
    expect(await open(9, 0.5)).toBe(48);
    expect(await open(8, 0.5, items.slice(0, 3))).toBe(51);
    expect(await readdir(join(folder, "cache", "inputs"))).toHaveLength(3);
  });

  it("lets items be read before all are prepared, in the order in which they are needed", async () => {
    const many = Array.from({ length: 40 }, () => items).flat();
    const order = Int32Array.from(many, (_item, place) => (place * 7) % many.length); // each once: 7 divides no 960
    const seen: number[] = [];
    const options = { home: await home(), items: many, order, preprocessing, threads: 0 };
    const inputs = await openInputs({
      ...options,
      onReadable(end) {
        const file = readFileSync(inputs.unfinishedPath);
        for (const row of order.subarray(seen.at(-1) ?? 0, end)) {
          const level = file[row * itemBytes] ?? 0;
          expect(level).toBe(((row % items.length) * 10) & 0xff); // the background's red
        }
        seen.push(end);
      },
    });
    await inputs.kept;
    expect(seen.length).toBeGreaterThan(1);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    const inOwnOrder = await openInputs({ ...options, home: await home(), order: undefined });
    await inOwnOrder.kept;
    expect(await readFile(inputs.path)).toEqual(await readFile(inOwnOrder.path));
  });

  it("names all bad pictures at once and keeps nothing", async () => {
    await writeFile(join(root, "text.png"), "no picture");
    await writeFile(join(root, "half.png"), (await readFile(join(root, "3.png"))).subarray(0, 60));
    const folder = await home();
    const all = [...items, broken("text.png"), broken("half.png"), broken("gone.png")];
    const order = Int32Array.from(all, (_item, place) => all.length - 1 - place);
    const { ready } = await openInputs({ home: folder, items: all, order, preprocessing, threads: 2 });
    const failure = await ready.catch((e: unknown) => e);
    expect(failure).toBeInstanceOf(BadItemsError);
    const { items: bad, message } = failure as BadItemsError;
    expect(bad.map(({ id }) => id)).toEqual(["text.png", "half.png", "gone.png"]);
    expect(message).toMatch(/^3 of 27 pictures cannot be read:\n {2}text.png: not a JPEG/);
    expect(message).toMatch(/gone.png: no such file .*\nRepair or remove them, or pass --skip-bad-items/);
    const [key = ""] = await readdir(join(folder, "cache", "inputs"));
    expect(await readdir(join(folder, "cache", "inputs", key))).toEqual([]);
  });

  it("prepares again what is not whole", async () => {
    const folder = await home();
    await (
      await openInputs({ home: folder, items, preprocessing, threads: 0 })
    ).kept;
    const [key = ""] = await readdir(join(folder, "cache", "inputs"));
    const file = join(folder, "cache", "inputs", key, "inputs.u8");
    const whole = await readFile(file);
    await writeFile(file, whole.subarray(0, 100));
    await (
      await openInputs({ home: folder, items, preprocessing, threads: 0 })
    ).kept;
    expect(await readFile(file)).toEqual(whole);
  });

  it.each([0, 2])("stops when aborted, with %i threads", async (threads) => {
    const folder = await home();
    const controller = new AbortController();
    const reason = new Error("enough");
    const onProgress = (done: number): void => {
      if (done === 3) controller.abort(reason);
    };
    const { signal } = controller;
    const { ready } = await openInputs({ home: folder, items, preprocessing, threads, signal, onProgress });
    await expect(ready).rejects.toBe(reason);
    const [key = ""] = await readdir(join(folder, "cache", "inputs"));
    expect(await readdir(join(folder, "cache", "inputs", key))).toEqual([]);
  });
});

describe("preprocessItems", () => {
  it("ends its threads when the reader stops early, whatever they are at", async () => {
    const threads = () => process.getActiveResourcesInfo().filter((name) => name === "MessagePort").length;
    const before = threads();
    for (let turn = 0; turn < 10; turn++) {
      for await (const [outcome] of preprocessItems({ items, preprocessing, threads: 2 })) {
        expect(outcome?.index).toBe(0);
        expect(threads()).toBeGreaterThan(before);
        break;
      }
    }
    expect(threads()).toBe(before);
  });
});

describe("checkItems, skipBadItems", () => {
  it("finds and drops what cannot be decoded", async () => {
    await mkdir(join(root, "bad"), { recursive: true });
    const bad = broken("none.png");
    expect(await checkItems([...items, bad])).toEqual([{ id: "none.png", reason: "no such file (or a broken link)" }]);
    const dataSet = {
      kind: "image",
      name: "",
      classes: ["a", "b"],
      train: [...items.slice(4), bad],
      test: items.slice(0, 4),
      notes: [],
    } as const;
    const kept = await skipBadItems(dataSet);
    expect([kept.train.length, kept.test.length]).toEqual([20, 4]);
    expect(kept.notes).toEqual(["skipped none.png: no such file (or a broken link)"]);
    await expect(skipBadItems({ ...dataSet, test: [bad] })).rejects.toThrow(BadItemsError);
  });
});
