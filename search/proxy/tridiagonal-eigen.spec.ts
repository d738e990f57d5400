import { describe, expect, it } from "vitest";
import { uniformValues } from "../../test/proxy/synthetic-items.ts";
import { tridiagonalEigen } from "./tridiagonal-eigen.ts";
import { applyTransposed, tridiagonalize } from "./tridiagonalize.ts";

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

function eigenvalues(matrix: Float64Array, n: number): Float64Array {
  const { diagonal, offDiagonal } = tridiagonalize(matrix.slice(), n);
  return tridiagonalEigen(diagonal, offDiagonal);
}

function multiply(matrix: Float64Array, vector: Float64Array): Float64Array {
  const n = vector.length;
  return vector.map((_, i) => vector.reduce((sum, value, j) => sum + value * (matrix[i * n + j] ?? 0), 0));
}

describe("tridiagonalEigen", () => {
  it("knows the eigenvalues of the second difference: 2 - 2 cos(k pi / (n + 1))", () => {
    const n = 12;
    const matrix = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      matrix[i * n + i] = 2;
      if (i > 0) matrix[i * n + i - 1] = matrix[(i - 1) * n + i] = -1;
    }
    const values = Array.from(eigenvalues(matrix, n)).sort((a, b) => a - b);
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
    const largest = Math.max(...eigenvalues(matrix, n));
    // the power method, which squares the ratio of others to it away
    let vector = Float64Array.from({ length: n }, (_, i) => (i === 0 ? 1 : 0));
    let norm = 0;
    for (let step = 0; step < 400; step++) {
      const product = multiply(matrix, vector);
      norm = Math.hypot(...product);
      vector = product.map((value) => value / norm);
    }
    expect(Math.abs(norm / largest - 1)).toBeLessThan(1e-12);
  });

  it.each([
    [1, 1],
    [2, 2],
    [9, 3],
    [40, 40],
    [70, 12],
  ])("knows those of a matrix of size %d and rank %d by their moments", (n, rank) => {
    const matrix = randomSymmetric(n, rank);
    const values = eigenvalues(matrix, n);
    const squared = Float64Array.from({ length: n * n }, (_, at) => {
      const column = Float64Array.from({ length: n }, (__, i) => matrix[i * n + (at % n)] ?? 0);
      return multiply(matrix, column)[Math.floor(at / n)] ?? 0;
    });
    const product = (a: Float64Array, b: Float64Array): number =>
      a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
    const identity = Float64Array.from({ length: n * n }, (_, at) => Number(at % (n + 1) === 0));
    const moments = [
      product(matrix, identity),
      product(matrix, matrix),
      product(squared, matrix),
      product(squared, squared),
    ];
    moments.forEach((moment, at) => {
      const sum = values.reduce((all, value) => all + value ** (at + 1), 0);
      expect(Math.abs(sum / moment - 1)).toBeLessThan(1e-12 * n);
    });
    expect(values.filter((value) => Math.abs(value) > 1e-12 * Math.sqrt(moments[1] ?? 0))).toHaveLength(rank);
  });

  it("handles a matrix of zeros", () => {
    expect(Array.from(eigenvalues(new Float64Array(9), 3))).toEqual([0, 0, 0]);
  });
});

describe("tridiagonalize", () => {
  it.each([1, 2, 9, 40])("turns a matrix of size %d, whose columns `applyTransposed` turns back", (n) => {
    const matrix = randomSymmetric(n, n);
    const tridiagonal = tridiagonalize(matrix.slice(), n);
    const { diagonal, offDiagonal } = tridiagonal;
    // column i of Qᵀ: vectors x with A x = Q T Qᵀ x
    const turned = Array.from({ length: n }, (_, i) => {
      const column = Float64Array.from({ length: n }, (__, j) => Number(i === j));
      applyTransposed(tridiagonal, column);
      return column;
    });
    const times = (x: Float64Array): Float64Array =>
      x.map((value, i) => {
        const above = i > 0 ? (offDiagonal[i - 1] ?? 0) * (x[i - 1] ?? 0) : 0;
        const below = i + 1 < n ? (offDiagonal[i] ?? 0) * (x[i + 1] ?? 0) : 0;
        return (diagonal[i] ?? 0) * value + above + below;
      });
    turned.forEach((a, i) => {
      turned.forEach((b, j) => {
        const dot = (x: Float64Array, y: Float64Array): number =>
          x.reduce((sum, value, k) => sum + value * (y[k] ?? 0), 0);
        expect(dot(a, b)).toBeCloseTo(i === j ? 1 : 0, 12);
        expect(dot(a, times(b))).toBeCloseTo(matrix[i * n + j] ?? NaN, 11);
      });
    });
  });
});
