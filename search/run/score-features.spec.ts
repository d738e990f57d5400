import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { syntheticItems } from "../../test/proxy/synthetic-items.ts";
import { MatrixEngine } from "../proxy/matrix-engine.ts";
import { getProxy, PROXY_NAMES } from "../proxy/proxy.ts";
import { openFeatureStore, type FeatureStore } from "./feature-store.ts";
import { scoreFeatures, type ScoreJob } from "./score-features.ts";

const spec = { name: "score", train: 40, test: 20, classes: 3, latent: 6, separation: 1, noise: 0.3 };
const [first, second] = [
  { begin: 0, end: 15 },
  { begin: 15, end: 40 },
];
const test = { begin: 40, end: 60 };
const jobOf = (feature: string): ScoreJob => ({ feature, models: [`m-${feature}`], train: [first, second], test });

const engine = new MatrixEngine({ threads: 1 });
let home = "";
let features: FeatureStore;
let labels = new Int32Array();

/** Features of the same items; those of each seed are other ones. */
async function keep(feature: string, seed: number, dim: number, broken = false): Promise<void> {
  const items = syntheticItems({ ...spec, seed, dim });
  labels = Int32Array.from([...items.trainLabels, ...items.testLabels]);
  if (broken) items.train[5 * dim] = NaN;
  await features.append(feature, first, first, items.train.slice(0, 15 * dim));
  await features.append(feature, second, second, items.train.slice(15 * dim));
  await features.append(feature, test, test, items.test);
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "score-features-"));
  features = openFeatureStore(home, ({ begin, end }) => `${begin}-${end}`);
  await keep("a", 1, 64);
  await keep("b", 2, 64);
  await keep("c", 3, 24);
  await keep("broken", 4, 64, true);
});
afterAll(async () => {
  await features.close();
  await engine.dispose();
  await rm(home, { recursive: true });
});

describe("scoreFeatures", () => {
  it.each(PROXY_NAMES)("scores with %s to the same bits together as alone, whatever their sizes", async (name) => {
    const options = { features, proxy: getProxy(name, engine), labels, classes: spec.classes };
    const jobs = ["a", "b", "c"].map(jobOf);
    const together = await scoreFeatures(jobs, options);
    const alone = [];
    for (const job of jobs) alone.push(...(await scoreFeatures([job], options)));
    expect(together).toEqual(alone);
    expect(together.map(({ models }) => models)).toEqual([["m-a"], ["m-b"], ["m-c"]]);
    expect(new Set(together.map(({ score }) => score)).size).toBeGreaterThan(1);
  });

  it("says which features cannot be scored, and scores the others", async () => {
    const options = { features, proxy: getProxy("linear", engine), labels, classes: spec.classes };
    const [a, broken, b] = await scoreFeatures(["a", "broken", "b"].map(jobOf), options);
    const alone = await scoreFeatures([jobOf("a")], options);
    expect([a]).toEqual(alone);
    expect(broken).toEqual({
      feature: "broken",
      models: ["m-broken"],
      score: null,
      reason: "training feature 0 of item 5 is NaN; every feature must be finite",
    });
    expect(b?.score).not.toBeNull();
  });
});
