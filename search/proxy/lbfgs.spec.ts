import { expect, it } from "vitest";
import { minimize, type Objectives } from "./lbfgs.ts";
import type { Matrix } from "./matrix-engine.ts";

interface Valley {
  readonly curvatures: readonly number[];
  readonly metric: readonly number[];
}

/** 1 + Σ_j c_j (log cosh(x_j) + x_j² / 2 - x_j + 1/2), in coordinates in which the inner product of u and v is Σ metric_j u_j v_j. */
function valleys(all: readonly Valley[], refuse = Infinity): Objectives {
  let evaluations = 0;
  const matrix = (): Matrix => ({ data: new Float32Array(3 * all.length), rows: all.length, cols: 3 });
  const inverse = [matrix(), matrix()] as const;
  return {
    count: all.length,
    size: 3,
    async openSite() {
      const [points, gradients, gradientDuals] = [matrix(), matrix(), matrix()];
      const values = new Float64Array(all.length);
      const evaluate = async (): Promise<void> => {
        if (++evaluations > refuse) throw new Error("too many evaluations");
        values.fill(1);
        points.data.forEach((x, at) => {
          const row = Math.floor(at / 3);
          const c = all[row]?.curvatures[at % 3] ?? NaN;
          values[row] = (values[row] ?? 0) + c * (Math.log(Math.cosh(x)) + (x * x) / 2 - x + 0.5);
          gradientDuals.data[at] = c * (Math.tanh(x) + x - 1);
          gradients.data[at] = (gradientDuals.data[at] ?? 0) / (all[row]?.metric[at % 3] ?? NaN);
        });
      };
      return { points, values, gradients, gradientDuals, curvatures: values.map(() => 0.01), evaluate };
    },
    async precondition({ gradients }, changes) {
      inverse[0].data.set(gradients.data);
      inverse[1].data.set(changes.data);
      return inverse;
    },
  };
}
const start = (count: number): Matrix => ({
  data: Float32Array.from({ length: 3 * count }, (_, at) => [3, -3, 8][at % 3] ?? 0),
  rows: count,
  cols: 3,
});
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
  const minima = await minimize(valleys([{ curvatures, metric }]), start(1), options);
  expect(minima).toHaveLength(1);
  for (const { converged, point, gradientNorm, value } of minima) {
    expect(converged).toBe(true);
    point.forEach((x) => expect(Math.abs(x - root)).toBeLessThan(1e-3));
    expect(gradientNorm ** 2).toBeLessThanOrEqual(options.tolerance * Math.abs(value));
  }
});

it("finds the same minima together as alone, to the bit", async () => {
  const all = [
    { curvatures: [1, 1, 1], metric: [1, 1, 1] },
    { curvatures: [1, 30, 900], metric: [1, 1, 1] },
    { curvatures: [1, 30, 900], metric: [0.5, 4, 20] },
    { curvatures: [2, 5, 7], metric: [1, 1, 1] },
  ];
  const together = await minimize(valleys(all), start(4), options);
  const alone = [];
  for (const one of all) alone.push(...(await minimize(valleys([one]), start(1), options)));
  expect(together).toEqual(alone);
  expect(new Set(together.map(({ iterations }) => iterations)).size).toBeGreaterThan(2);
});

it("says that it has not converged when iterations run out", async () => {
  const objectives = valleys([{ curvatures: [1, 30, 900], metric: [1, 1, 1] }]);
  const minima = await minimize(objectives, start(1), { ...options, maxIterations: 2 });
  expect(minima.map(({ converged, iterations }) => [converged, iterations])).toEqual([[false, 2]]);
});

it("ends where rounding keeps the gradient from getting smaller", async () => {
  const objectives = valleys([{ curvatures: [1, 30, 900], metric: [1, 1, 1] }], 1000);
  const [minimum] = await minimize(objectives, start(1), { ...options, tolerance: 1e-40 });
  expect(minimum?.point).toHaveLength(3);
  expect(minimum?.point.every((x) => Math.abs(x - root) < 1e-3)).toBe(true);
});
