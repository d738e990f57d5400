import { afterAll, expect, it } from "vitest";
import { uniformValues } from "../../test/proxy/synthetic-items.ts";
import { withOnes } from "../../test/proxy/with-ones.ts";
import { MatrixEngine, type Matrix, type Stack } from "./matrix-engine.ts";
import { findTopSubspaces } from "./top-subspace.ts";
import { transpose } from "./transpose.ts";
import { tridiagonalEigen } from "./tridiagonal-eigen.ts";
import { tridiagonalize } from "./tridiagonalize.ts";

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

const stackWithOnes = (matrix: Matrix): Stack => ({ ...withOnes(matrix), count: 1 });

const energy = (x: Matrix) => x.data.reduce((sum, value) => sum + value * value, 0);

it("finds the largest eigenvalues, from the features or from their Gram matrix", async () => {
  const x = spiked();
  const options = { energy: energy(x), rank: 48 };
  const primal = await findTopSubspaces(engine, stackWithOnes(transpose(x)), { kind: "features", ...options });
  const gram = await engine.multiply(x, x, { transposeB: true });
  const dual = await findTopSubspaces(engine, stackWithOnes(gram), { kind: "gram", ...options });
  for (const { products, rest } of [primal, dual]) {
    expect(products).toMatchObject({ count: 1, rows: 12, cols: 12 });
    const { diagonal, offDiagonal } = tridiagonalize(Float64Array.from(products.data), 12);
    const top = Array.from(tridiagonalEigen(diagonal, offDiagonal)).sort((a, b) => b - a);
    [1600, 400, 100, 25].forEach((expected, k) => expect(Math.abs((top[k] ?? NaN) / expected - 1)).toBeLessThan(0.01));
    expect(rest[0]).toBeLessThan(0.1);
  }
});

it("has an image that is the metric times the basis, in which the basis is orthonormal", async () => {
  const x = spiked();
  const gram = await engine.multiply(x, x, { transposeB: true });
  const options = { kind: "gram", energy: energy(x), rank: 48 } as const;
  const { basis, image } = await findTopSubspaces(engine, stackWithOnes(gram), options);
  expect([basis.rows, basis.cols]).toEqual([12, 81]);
  const rows = { data: basis.data.filter((_, at) => (at + 1) % 81 > 0), rows: 12, cols: 80 };
  const metric = await engine.multiply(rows, gram);
  for (let i = 0; i < 12; i++) {
    expect(basis.data[i * 81 + 80]).toBe(0); // that of the intercept
    for (let j = 0; j < 80; j++) expect(image.data[j * 12 + i]).toBeCloseTo(metric.data[i * 80 + j] ?? NaN, 1);
  }
  const products = await engine.multiplyStacks(basis, image);
  const largest: number[] = [];
  products.data.forEach((value, at) => {
    const [i, j] = [Math.floor(at / 12), at % 12];
    if (i !== j) return expect(Math.abs(value)).toBeLessThan(0.2);
    largest.push(value);
  });
  // rounding leaves shorter rows than that, where there is nothing but rounding noise
  expect(Math.max(...largest)).toBeLessThan(1.02);
  expect(largest.filter((value) => value > 0.98).length).toBeGreaterThanOrEqual(4);
});

it("has a basis that is orthonormal where there is something, of features that depend on each other", async () => {
  const uniform = uniformValues(5);
  // of 80 items, 72 are 0: more than half of the directions that are asked for are not there
  const data = Float32Array.from({ length: 96 * 80 }, (_, at) => (at % 80 < 8 ? uniform() - 0.5 : 0));
  const flat = { data, rows: 96, cols: 80 };
  const options = { kind: "features", energy: energy(flat), rank: 79 } as const;
  const { basis, products } = await findTopSubspaces(engine, stackWithOnes(flat), options);
  const gram = await engine.multiplyStacks(basis, basis, { transposeB: true });
  const k = gram.rows;
  const { diagonal, offDiagonal } = tridiagonalize(Float64Array.from(gram.data), k);
  const sizes = tridiagonalEigen(diagonal, offDiagonal);
  // what is more than that makes the preconditioner negative somewhere; where there is nothing, less does no harm
  expect(Math.max(...sizes)).toBeLessThan(1.01);
  expect(sizes.filter((size) => size > 0.99).length).toBeGreaterThanOrEqual(8);
  const trace = products.data.filter((_, at) => at % (k + 1) === 0).reduce((sum, value) => sum + value, 0);
  expect(Math.abs(trace / energy(flat) - 1)).toBeLessThan(0.01);
});
