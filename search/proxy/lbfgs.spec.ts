import { expect, it } from "vitest";
import { minimize, type Evaluation, type Objective } from "./lbfgs.ts";

/** 1 + Σ_j c_j (log cosh(x_j) + x_j² / 2 - x_j + 1/2), in coordinates in which the inner product of u and v is Σ metric_j u_j v_j. */
function valley(curvatures: number[], metric: number[], refuse = Infinity): Objective {
  let evaluations = 0;
  return {
    async evaluate(point) {
      if (++evaluations > refuse) throw new Error("too many evaluations");
      let value = 1;
      const gradientDual = point.map((x, j) => {
        const c = curvatures[j] ?? 0;
        value += c * (Math.log(Math.cosh(x)) + (x * x) / 2 - x + 0.5);
        return c * (Math.tanh(x) + x - 1);
      });
      const pointDual = point.map((x, j) => x * (metric[j] ?? 1));
      const gradient = gradientDual.map((g, j) => g / (metric[j] ?? 1));
      return { point, pointDual, value, gradient, gradientDual, curvature: 0.01 };
    },
    precondition: async (vectors) => vectors.map((vector) => vector.slice()),
  };
}
const options = { maxCurvature: 1, tolerance: 1e-10, maxIterations: 200 };
/** Where tanh(x) + x = 1. */
const root = 0.5213;

it.each([
  [
    [1, 1, 1],
    [1, 1, 1],
  ],
  [
    [1, 30, 900],
    [1, 1, 1],
  ],
  [
    [1, 30, 900],
    [0.5, 4, 20],
  ],
])("finds the minimum with curvatures %j in the metric %j", async (curvatures, metric) => {
  const minimum = await minimize<Evaluation>(valley(curvatures, metric), Float32Array.of(3, -3, 8), options);
  expect(minimum.converged).toBe(true);
  minimum.at.point.forEach((x) => expect(Math.abs(x - root)).toBeLessThan(1e-3));
  expect(minimum.gradientNorm ** 2).toBeLessThanOrEqual(options.tolerance * Math.abs(minimum.at.value));
});

it("says that it has not converged when iterations run out", async () => {
  const objective = valley([1, 30, 900], [1, 1, 1]);
  const { converged, iterations } = await minimize(objective, Float32Array.of(3, -3, 8), {
    ...options,
    maxIterations: 2,
  });
  expect([converged, iterations]).toEqual([false, 2]);
});

it("ends where rounding keeps the gradient from getting smaller", async () => {
  const objective = valley([1, 30, 900], [1, 1, 1], 1000);
  const minimum = await minimize(objective, Float32Array.of(3, -3, 8), { ...options, tolerance: 1e-40 });
  expect(minimum.at.point.every((x) => Math.abs(x - root) < 1e-3)).toBe(true);
});
