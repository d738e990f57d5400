import { afterAll, describe, expect, it } from "vitest";
import { InputError } from "../../crawler/errors.ts";
import { syntheticItems } from "../../test/proxy/synthetic-items.ts";
import { FeatureError } from "./errors.ts";
import { MatrixEngine } from "./matrix-engine.ts";
import { getProxy, PROXY_NAMES } from "./proxy.ts";

const engine = new MatrixEngine({ threads: 1 });
afterAll(() => engine.dispose());

const spec = { name: "proxy", seed: 5, train: 60, test: 30, dim: 20, classes: 3, latent: 6, separation: 1, noise: 0.3 };
const items = syntheticItems(spec);
/** Labels that have nothing to do with the features. */
const shuffled = { ...items, trainLabels: items.trainLabels.map((_, i) => (i * 7) % 3) };

describe.each(PROXY_NAMES)("proxy %s", (name) => {
  const proxy = getProxy(name, engine);

  it("has its name", () => expect(proxy.name).toBe(name));

  it("gives the same bits twice", async () => {
    expect(await proxy.score(items)).toEqual(await proxy.score(items));
  });

  it("scores features that separate the classes higher", async () => {
    expect((await proxy.score(items)).score).toBeGreaterThan((await proxy.score(shuffled)).score);
  });

  it("scores a single class and constant features without failing", async () => {
    const single = await proxy.score({ ...items, trainLabels: items.trainLabels.map(() => 1) });
    const constant = await proxy.score({ ...items, train: items.train.map(() => 2) });
    expect(Number.isFinite(single.score) && Number.isFinite(constant.score)).toBe(true);
  });

  it("scores a single training item", async () => {
    const one = { train: items.train.subarray(0, items.dim), trainLabels: items.trainLabels.subarray(0, 1) };
    expect(Number.isFinite((await proxy.score({ ...items, ...one })).score)).toBe(true);
  });

  it("refuses features that are not finite", async () => {
    const train = items.train.with(7, NaN);
    await expect(proxy.score({ ...items, train })).rejects.toThrow(FeatureError);
  });
});

describe("getProxy", () => {
  it("lists the proxies that it knows", () => {
    expect(() => getProxy("svm", engine)).toThrow(InputError);
    expect(() => getProxy("svm", engine)).toThrow('unknown proxy "svm"; expected one of linear, knn, hscore, logme');
  });

  it.each(["linear", "knn"])("%s checks the test items, and takes none of them", async (name) => {
    const proxy = getProxy(name, engine);
    await expect(proxy.score({ ...items, test: items.test.with(0, Infinity) })).rejects.toThrow(
      "test feature 0 of item 0",
    );
    const none = { test: new Float32Array(), testLabels: new Int32Array() };
    expect(await proxy.score({ ...items, ...none })).toEqual({ score: 0, correct: 0, items: 0 });
  });
});
