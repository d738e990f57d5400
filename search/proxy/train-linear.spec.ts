import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { InputError } from "../../crawler/errors.ts";
import { classProbabilities } from "../../test/proxy/class-probabilities.ts";
import {
  syntheticItems,
  uniformValues,
  type SyntheticItems,
  type SyntheticSpec,
} from "../../test/proxy/synthetic-items.ts";
import { FeatureError } from "./errors.ts";
import { MatrixEngine } from "./matrix-engine.ts";
import { ABSENT_CLASS_BIAS, trainLinear, trainLinearTogether } from "./train-linear.ts";

const engine = new MatrixEngine({ threads: 2 });
afterAll(() => engine.dispose());

const base: SyntheticSpec = {
  name: "base",
  seed: 77,
  train: 90,
  test: 40,
  dim: 24,
  classes: 4,
  latent: 6,
  separation: 0.8,
  noise: 0.4,
};
/** One that is solved on the features, and one on their Gram matrix. */
const tall = syntheticItems({ ...base, train: 200 });
const wide = syntheticItems({ ...base, train: 60, dim: 128 });

function farthest(a: number[][], b: number[][]): number {
  return Math.max(...a.flatMap((row, i) => row.map((value, k) => Math.abs(value - (b[i]?.[k] ?? NaN)))));
}

describe.each([
  ["more items than features", tall],
  ["fewer items than features", wide],
])("trainLinear with %s", (_, items) => {
  it("gives the same bits twice", async () => {
    const first = await trainLinear(items, { engine });
    const again = new MatrixEngine({ threads: 2 });
    try {
      expect(await trainLinear(items, { engine: again })).toEqual(first);
    } finally {
      await again.dispose();
    }
  });

  it("gives the same bits together with others", async () => {
    const others = [1, 2, 3].map((seed) => items.train.map((value, at) => value + Math.sin(seed * at)));
    const together = await trainLinearTogether({ ...items, trains: [items.train, ...others] }, { engine });
    const alone = [];
    for (const train of [items.train, ...others]) alone.push(await trainLinear({ ...items, train }, { engine }));
    expect(together).toEqual(alone);
    expect(new Set(together.map(({ iterations }) => iterations)).size).toBeGreaterThan(1);
  });

  it("finds the same optimum from another start", async () => {
    const cold = await trainLinear(items, { engine });
    const half = items.trainLabels.length / 2;
    const start = await trainLinear(
      { ...items, train: items.train.subarray(0, half * items.dim), trainLabels: items.trainLabels.subarray(0, half) },
      { engine },
    );
    const warm = await trainLinear(items, { engine, start });
    expect(warm.converged).toBe(true);
    expect(Math.abs(warm.objective / cold.objective - 1)).toBeLessThan(2e-6);
    expect(farthest(classProbabilities(warm, items), classProbabilities(cold, items))).toBeLessThan(2e-3);
  });

  it("always predicts the only class that has items", async () => {
    const trained = await trainLinear({ ...items, trainLabels: items.trainLabels.map(() => 2) }, { engine });
    expect(trained.iterations).toBe(0);
    expect(classProbabilities(trained, items).every((row) => row[2] === 1)).toBe(true);
  });

  it("gives a class without items the probability 0", async () => {
    const trained = await trainLinear({ ...items, classes: 6 }, { engine });
    expect(Array.from(trained.bias.subarray(4))).toEqual([ABSENT_CLASS_BIAS, ABSENT_CLASS_BIAS]);
    const four = classProbabilities(await trainLinear(items, { engine }), items);
    expect(classProbabilities(trained, { ...items, classes: 6 })).toEqual(four.map((row) => [...row, 0, 0]));
  });

  it("does not depend on the order of the items, nor on the features' scales and offsets", async () => {
    const expected = classProbabilities(await trainLinear(items, { engine }), items);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 30 }), async (seed) => {
        const changed = rescale(shuffle(items, seed), seed);
        const trained = await trainLinear(changed, { engine });
        expect(farthest(classProbabilities(trained, changed), expected)).toBeLessThan(3e-3);
      }),
      { numRuns: 10 },
    );
  });

  it("stops when it is told to", async () => {
    const controller = new AbortController();
    controller.abort(new Error("enough"));
    await expect(trainLinear(items, { engine, signal: controller.signal })).rejects.toThrow("enough");
  });

  it.each([NaN, Infinity, -Infinity])("names the item and the feature that is %d", async (value) => {
    const train = items.train.slice();
    train[3 * items.dim + 5] = value;
    const training = trainLinear({ ...items, train }, { engine });
    await expect(training).rejects.toThrow(FeatureError);
    await expect(training).rejects.toThrow(`training feature 5 of item 3 is ${value}`);
  });

  it("refuses labels and lengths that do not fit", async () => {
    await expect(trainLinear({ ...items, classes: 2 }, { engine })).rejects.toThrow(InputError);
    await expect(trainLinear({ ...items, train: items.train.subarray(1) }, { engine })).rejects.toThrow(
      /expected \d+ items/,
    );
    const none = { train: new Float32Array(), trainLabels: new Int32Array() };
    await expect(trainLinear({ ...items, ...none }, { engine })).rejects.toThrow("no training items");
  });
});

function shuffle(items: SyntheticItems, seed: number): SyntheticItems {
  const { dim } = items;
  const uniform = uniformValues(seed);
  const order = Array.from(items.trainLabels, (_, i) => ({ i, key: uniform() })).sort((a, b) => a.key - b.key);
  return {
    ...items,
    trainLabels: Int32Array.from(order, ({ i }) => items.trainLabels[i] ?? 0),
    train: Float32Array.from(order.flatMap(({ i }) => Array.from(items.train.subarray(i * dim, (i + 1) * dim)))),
  };
}

function rescale(items: SyntheticItems, seed: number): SyntheticItems {
  const uniform = uniformValues(seed + 1);
  const factors = Array.from({ length: items.dim }, () => 2 ** (12 * uniform() - 6));
  const offsets = factors.map((factor) => factor * (uniform() - 0.5));
  const change = (features: Float32Array) =>
    features.map((value, at) => value * (factors[at % items.dim] ?? 1) + (offsets[at % items.dim] ?? 0));
  return { ...items, train: change(items.train), test: change(items.test) };
}
