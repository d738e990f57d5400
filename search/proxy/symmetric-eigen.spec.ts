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

  it.each([5, 40, 160, 300])("finds the largest eigenvalue where others are 10^%d times smaller", (span) => {
    const n = 64;
    const uniform = uniformValues(span);
    const scales = Array.from({ length: n }, (_, i) => 10 ** ((-span * i) / n));
    const matrix = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        const value = i === j ? 1 + uniform() : uniform() - 0.5;
        matrix[i * n + j] = matrix[j * n + i] = value * (scales[i] ?? 0) * (scales[j] ?? 0);
      }
    }
    const { values, vectors } = symmetricEigen(matrix, n);
    const largest = Math.max(...values);
    const vector = vectors.subarray(values.indexOf(largest) * n, (values.indexOf(largest) + 1) * n);
    for (let i = 0; i < n; i++) {
      const product = vector.reduce((sum, value, j) => sum + value * (matrix[i * n + j] ?? 0), 0);
      expect(Math.abs(product - largest * (vector[i] ?? 0))).toBeLessThan(1e-13 * largest);
    }
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
