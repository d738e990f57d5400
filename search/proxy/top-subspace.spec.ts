import { afterAll, expect, it } from "vitest";
import { uniformValues } from "../../test/proxy/synthetic-items.ts";
import { MatrixEngine, type Matrix, type Stack } from "./matrix-engine.ts";
import { findTopSubspaces } from "./top-subspace.ts";
import { transpose } from "./transpose.ts";

const engine = new MatrixEngine({ threads: 1 });
afterAll(() => engine.dispose());

/** X [80, 48] with singular values 40, 20, 10, 5 and a little noise. */
function spiked(): Matrix {
  const uniform = uniformValues(3);
  const [rows, cols] = [80, 48];
  const data = Float32Array.from({ length: rows * cols }, () => (uniform() - 0.5) * 0.02);
  [40, 20, 10, 5].forEach((value, k) => {
    for (let i = 0; i < rows; i++) {
      const left = Math.sqrt(2 / rows) * Math.cos((Math.PI * (i + 0.5) * (k + 1)) / rows);
      for (let j = 0; j < cols; j++) {
        const right = Math.sqrt(2 / cols) * Math.cos((Math.PI * (j + 0.5) * (k + 1)) / cols);
        data[i * cols + j] = (data[i * cols + j] ?? 0) + value * left * right;
      }
    }
  });
  return { data, rows, cols };
}

/** With a row of ones below. */
const withOnes = ({ data, rows, cols }: Matrix): Stack => {
  const out = new Float32Array((rows + 1) * cols).fill(1);
  out.set(data);
  return { data: out, count: 1, rows: rows + 1, cols };
};

const energy = (x: Matrix) => x.data.reduce((sum, value) => sum + value * value, 0);

it("finds the largest eigenvalues, from the features or from their Gram matrix", async () => {
  const x = spiked();
  const options = { energy: energy(x), rank: 48 };
  const primal = await findTopSubspaces(engine, withOnes(transpose(x)), { kind: "features", ...options });
  const gram = await engine.multiply(x, x, { transposeB: true });
  const dual = await findTopSubspaces(engine, withOnes(gram), { kind: "gram", ...options });
  for (const { values, rest } of [primal, dual]) {
    expect(values).toHaveLength(1);
    const top = Array.from(values[0] ?? []).sort((a, b) => b - a);
    [1600, 400, 100, 25].forEach((expected, k) => expect(Math.abs((top[k] ?? NaN) / expected - 1)).toBeLessThan(0.01));
    expect(rest[0]).toBeLessThan(0.1);
  }
});

it("has an image that is the metric times the basis", async () => {
  const x = spiked();
  const gram = await engine.multiply(x, x, { transposeB: true });
  const { basis, image, values } = await findTopSubspaces(engine, withOnes(gram), {
    kind: "gram",
    energy: energy(x),
    rank: 48,
  });
  expect([basis.rows, basis.cols]).toEqual([12, 81]);
  const products = await engine.multiplyStacks(basis, image);
  expect(values[0]?.filter((value) => value > 0).length).toBeGreaterThanOrEqual(4);
  products.data.forEach((value, at) => {
    // rounding leaves fewer directions than were asked for: the others are 0
    const expected = at % (basis.rows + 1) === 0 && (values[0]?.[at % basis.rows] ?? NaN) > 0 ? 1 : 0;
    expect(Math.abs(value - expected)).toBeLessThan(0.02);
  });
});
