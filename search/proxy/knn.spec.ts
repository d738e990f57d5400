import { afterAll, expect, it } from "vitest";
import { knnProxy } from "./knn.ts";
import { MatrixEngine } from "./matrix-engine.ts";

const engine = new MatrixEngine({ threads: 1 });
afterAll(() => engine.dispose());

/** Whether the item at (x, 1) counts as class `label`, the training items being on the axes of a plane. */
async function predicts(label: number, train: number[], trainLabels: number[], test: number[]): Promise<boolean> {
  const { correct } = await knnProxy(engine).score({
    train: Float32Array.from(train),
    trainLabels: Int32Array.from(trainLabels),
    test: Float32Array.from(test),
    testLabels: Int32Array.of(label),
    classes: 3,
    dim: 2,
  });
  return correct === 1;
}

const right = [1, 0];
const left = [-1, 0];
const up = [0, 1];
const down = [0, -1];

it("lets five neighbours vote", async () => {
  const train = [right, right, right, left, left, left, up, up, down, down].flat();
  expect(await predicts(1, train, [1, 1, 1, 0, 0, 0, 2, 2, 0, 0], [3, 1])).toBe(true);
});

it("gives equal votes to the class with the smaller index", async () => {
  const train = [right, right, up, up, left, left, down, down].flat();
  // (2, 1) has right, right, up, up and one of down as neighbours
  expect(await predicts(1, train, [2, 2, 1, 1, 2, 2, 0, 0], [2, 1])).toBe(true);
});

it("takes the item with the smaller index of equally near ones", async () => {
  const train = [right, right, up, up, down, down, left, left].flat();
  // (1, 0): up and down are equally far, so the first of up is the third vote, the second the fourth, down the fifth
  expect(await predicts(1, train, [2, 2, 1, 1, 1, 0, 0, 0], [1, 0])).toBe(true);
});

it("votes with all items when there are fewer than five", async () => {
  expect(await predicts(2, [right, left, up].flat(), [2, 0, 2], [1, 1])).toBe(true);
});
