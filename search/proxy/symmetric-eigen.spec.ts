import { describe, expect, it } from "vitest";
import { uniformValues } from "../../test/proxy/synthetic-items.ts";
import { symmetricEigen } from "./symmetric-eigen.ts";

function randomSymmetric(n: number, rank: number): Float64Array {
  const uniform = uniformValues(n + 1);
  const factor = Float64Array.from({ length: n * rank }, () => uniform() - 0.5);
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      for (let k = 0; k < rank; k++) {
        out[i * n + j] = (out[i * n + j] ?? 0) + (factor[i * rank + k] ?? 0) * (factor[j * rank + k] ?? 0);
      }
    }
  }
  return out;
}

describe("symmetricEigen", () => {
  it("knows the eigenvalues of the second difference: 2 - 2 cos(k pi / (n + 1))", () => {
    const n = 12;
    const matrix = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      matrix[i * n + i] = 2;
      if (i > 0) matrix[i * n + i - 1] = matrix[(i - 1) * n + i] = -1;
    }
    const values = Array.from(symmetricEigen(matrix, n).values).sort((a, b) => a - b);
    values.forEach((value, k) => expect(value).toBeCloseTo(2 - 2 * Math.cos(((k + 1) * Math.PI) / (n + 1)), 12));
  });

  it.each([
    [1, 1],
    [2, 2],
    [9, 3],
    [40, 40],
    [70, 12],
  ])("rebuilds a matrix of size %d and rank %d", (n, rank) => {
    const matrix = randomSymmetric(n, rank);
    const { values, vectors } = symmetricEigen(matrix, n);
    let error = 0;
    let skew = 0;
    for (let a = 0; a < n; a++) {
      for (let b = 0; b < n; b++) {
        let sum = 0;
        let product = 0;
        for (let j = 0; j < n; j++) {
          sum += (values[j] ?? 0) * (vectors[j * n + a] ?? 0) * (vectors[j * n + b] ?? 0);
          product += (vectors[a * n + j] ?? 0) * (vectors[b * n + j] ?? 0);
        }
        error = Math.max(error, Math.abs(sum - (matrix[a * n + b] ?? 0)));
        skew = Math.max(skew, Math.abs(product - (a === b ? 1 : 0)));
      }
    }
    expect(error).toBeLessThan(1e-12 * n);
    expect(skew).toBeLessThan(1e-13 * n);
  });

  it("handles a matrix of zeros", () => {
    expect(Array.from(symmetricEigen(new Float64Array(9), 3).values)).toEqual([0, 0, 0]);
  });
});
