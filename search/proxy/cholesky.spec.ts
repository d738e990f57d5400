import { expect, it } from "vitest";
import { cholesky, choleskySolve, invertFactor } from "./cholesky.ts";

it("solves a system", () => {
  const factor = Float64Array.of(4, 2, 0.6, 2, 5, 1, 0.6, 1, 3);
  cholesky(factor, 3);
  const x = Float64Array.of(4 + 2 * 2 - 0.6, 2 + 5 * 2 - 1, 0.6 + 2 - 3); // A times (1, 2, -1)
  choleskySolve(factor, 3, x);
  [1, 2, -1].forEach((expected, i) => expect(x[i]).toBeCloseTo(expected, 12));
});

it("refuses a matrix that is not positive definite", () => {
  expect(() => cholesky(Float64Array.of(1, 2, 2, 1), 2)).toThrow("not positive definite at row 1");
});

it("inverts no factor where a pivot is too small", () => {
  const nearlySingular = () => Float64Array.of(1, 1, 1, 1 + 1e-9);
  expect(invertFactor(nearlySingular(), 2, 1e-6)).toBe(false);
  expect(invertFactor(nearlySingular(), 2, 0)).toBe(true);
  expect(invertFactor(Float64Array.of(1, 2, 2, 1), 2, 0)).toBe(false);
  expect(invertFactor(Float64Array.of(NaN), 1, 0)).toBe(false);
});

it("inverts a factor", () => {
  const n = 7;
  const a = Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    return i === j ? 9 : 1 / (1 + i + j);
  });
  const factor = a.slice();
  cholesky(factor, n);
  const inverse = a.slice();
  expect(invertFactor(inverse, n, 0)).toBe(true);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      if (j > i) expect(inverse[i * n + j]).toBe(0);
      let product = 0;
      for (let k = j; k <= i; k++) product += (factor[i * n + k] ?? 0) * (inverse[k * n + j] ?? 0);
      expect(product).toBeCloseTo(i === j ? 1 : 0, 12);
    }
  }
});
