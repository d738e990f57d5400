import { expect, it } from "vitest";
import { cholesky, choleskySolve } from "./cholesky.ts";

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
