import { afterAll, describe, expect, it } from "vitest";
import { uniformValues } from "../../test/proxy/synthetic-items.ts";
import { withOnes } from "../../test/proxy/with-ones.ts";
import { MatrixEngine, type Matrix, type Stack } from "./matrix-engine.ts";
import { minimizeLogistic, type LogisticProblems, type Minimum } from "./minimize-logistic.ts";
import { newStack, partOf, stackOf } from "./stack.ts";
import { findTopSubspaces } from "./top-subspace.ts";
import { transpose } from "./transpose.ts";

const engine = new MatrixEngine({ threads: 1 });
afterAll(() => engine.dispose());

const [ITEMS, DIM, CLASSES, L2] = [40, 24, 3, 0.5];
const options = { tolerance: 1e-8, maxIterations: 500 };
const labels = Int32Array.from({ length: ITEMS }, (_, i) => i % CLASSES);

/** Features [items, dim] that say something about the label; columns get larger by `growth` each. */
function features(seed: number, growth: number): Matrix {
  const uniform = uniformValues(seed);
  const data = Float32Array.from({ length: ITEMS * DIM }, (_, at) => {
    const [i, j] = [Math.floor(at / DIM), at % DIM];
    return growth ** j * (uniform() - 0.5 + (j % CLASSES === (labels[i] ?? 0) ? 0.3 : 0));
  });
  return { data, rows: ITEMS, cols: DIM };
}

async function problemsOf(kind: LogisticProblems["kind"], all: readonly Matrix[]): Promise<LogisticProblems> {
  const parts: Float32Array[] = [];
  for (const one of all) {
    const x = kind === "gram" ? await engine.multiply(one, one, { transposeB: true }) : transpose(one);
    parts.push(withOnes(x).data);
  }
  const x = stackOf(parts, kind === "gram" ? ITEMS + 1 : DIM + 1, ITEMS);
  const energy = Math.max(...all.map(({ data }) => data.reduce((sum, value) => sum + value * value, 0)));
  const subspaces = await findTopSubspaces(engine, x, { kind, energy, rank: DIM });
  return { kind, x, labels, classes: CLASSES, l2: L2, subspaces };
}

const zeros = ({ x, classes }: LogisticProblems): Stack => newStack(x.count, classes, x.rows);

/** Objective and squared norm of the gradient in weights and intercepts, in float64. */
function evaluate({ data }: Matrix, weights: number[][], intercepts: number[]): { value: number; squared: number } {
  let value = (L2 / 2) * weights.flat().reduce((sum, w) => sum + w * w, 0);
  const gradient = weights.map((row) => [...row.map((w) => L2 * w), 0]);
  labels.forEach((label, i) => {
    const x = Array.from(data.subarray(i * DIM, (i + 1) * DIM));
    const logits = weights.map((row, k) => row.reduce((sum, w, j) => sum + w * (x[j] ?? 0), intercepts[k] ?? 0));
    const most = Math.max(...logits);
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0);
    value += Math.log(total) + most - (logits[label] ?? NaN);
    logits.forEach((logit, k) => {
      const residual = Math.exp(logit - most) / total - Number(k === label);
      [...x, 1].forEach((input, j) => {
        const row = gradient[k];
        if (row) row[j] = (row[j] ?? 0) + residual * input;
      });
    });
  });
  return { value, squared: gradient.flat().reduce((sum, part) => sum + part * part, 0) };
}

/** The weights and intercepts that a point stands for. */
function weightsAt(kind: LogisticProblems["kind"], { data }: Matrix, { point }: Minimum) {
  const p = point.length / CLASSES;
  const rows = Array.from({ length: CLASSES }, (_, k) => Array.from(point.subarray(k * p, (k + 1) * p)));
  const intercepts = rows.map((row) => row.pop() ?? NaN);
  if (kind === "features") return { weights: rows, intercepts };
  const columns = Array.from({ length: DIM }, (_, j) => j);
  const weights = rows.map((row) =>
    columns.map((j) => row.reduce((sum, a, i) => sum + a * (data[i * DIM + j] ?? 0), 0)),
  );
  return { weights, intercepts };
}

describe.each(["features", "gram"] as const)("problems in coordinates of their %s", (kind) => {
  it.each([1, 1.1, 1.2])("come to their minima where columns grow by %d", async (growth) => {
    const x = features(1, growth);
    const problems = await problemsOf(kind, [x]);
    const [minimum] = await minimizeLogistic(engine, problems, zeros(problems), options);
    if (!minimum) throw new Error("nothing was minimised");
    expect(minimum.converged).toBe(true);
    const { weights, intercepts } = weightsAt(kind, x, minimum);
    const { value, squared } = evaluate(x, weights, intercepts);
    expect(Math.abs(minimum.value / value - 1)).toBeLessThan(1e-5);
    expect(squared).toBeLessThan(20 * options.tolerance * value);
    expect(value).toBeLessThan(0.8 * ITEMS * Math.log(CLASSES)); // what no weights at all come to
  });

  it.each([1e-8, 1e-30])(
    "come to the same bits together as alone, in many calls as in one, to %d",
    async (tolerance) => {
      const all = [features(1, 1), features(2, 1.3), features(3, 1.15), features(4, 1)];
      const together = await problemsOf(kind, all);
      const minima = await minimizeLogistic(engine, together, zeros(together), { ...options, tolerance });
      const alone: Minimum[] = [];
      for (const [index] of all.entries()) {
        const part = (stack: Stack): Stack => ({ ...stack, data: partOf(stack, index), count: 1 });
        const { basis, image, products, rest } = together.subspaces;
        const rests = [rest[index] ?? NaN];
        const subspaces = { basis: part(basis), image: part(image), products: part(products), rest: rests };
        const one = { ...together, x: part(together.x), subspaces };
        alone.push(...(await minimizeLogistic(engine, one, zeros(one), { ...options, tolerance, productsPerCall: 1 })));
      }
      expect(minima).toEqual(alone);
      expect(new Set(minima.map(({ iterations }) => iterations)).size).toBeGreaterThan(1);
    },
  );

  it("say that they have not converged when iterations run out", async () => {
    const problems = await problemsOf(kind, [features(1, 1.3)]);
    const minima = await minimizeLogistic(engine, problems, zeros(problems), { ...options, maxIterations: 2 });
    expect(minima.map(({ converged, iterations }) => [converged, iterations])).toEqual([[false, 2]]);
  });

  it("end where rounding keeps gradients from getting smaller", async () => {
    const x = features(1, 1.15);
    const problems = await problemsOf(kind, [x]);
    const [exact] = await minimizeLogistic(engine, problems, zeros(problems), options);
    const [minimum] = await minimizeLogistic(engine, problems, zeros(problems), { ...options, tolerance: 1e-30 });
    expect(minimum?.converged).toBe(false);
    expect(minimum?.iterations).toBeLessThan(options.maxIterations);
    expect(minimum?.gradientNorm).toBeLessThan(exact?.gradientNorm ?? NaN);
  });

  it("can be given up between calls", async () => {
    const problems = await problemsOf(kind, [features(1, 1)]);
    const controller = new AbortController();
    const late = { ...options, signal: controller.signal, productsPerCall: 1 };
    const minimizing = minimizeLogistic(engine, problems, zeros(problems), late);
    controller.abort(new Error("enough"));
    await expect(minimizing).rejects.toThrow("enough");
  });

  it("have no minimum where a value is not finite, and say so", async () => {
    const problems = await problemsOf(kind, [features(1, 1)]);
    problems.x.data[3] = NaN;
    await expect(minimizeLogistic(engine, problems, zeros(problems), options)).rejects.toThrow("no finite minimum");
  });
});
