import { afterAll, describe, expect, it } from "vitest";
import { proxyReferences } from "../../test/proxy/references.ts";
import { syntheticItems } from "../../test/proxy/synthetic-items.ts";
import { MatrixEngine } from "./matrix-engine.ts";
import { classProbabilities } from "../../test/proxy/class-probabilities.ts";
import { getProxy } from "./proxy.ts";
import { trainLinear } from "./train-linear.ts";

const engine = new MatrixEngine({ threads: 2 });
afterAll(() => engine.dispose());

describe.each(proxyReferences)("$spec.name", ({ spec, checksum, linear, knn, hscore, logme }) => {
  const items = syntheticItems(spec);

  it("has the features that the reference was computed on", () => {
    const sum = [items.train, items.test].flatMap((part) => Array.from(part)).reduce((a, b) => a + b, 0);
    expect(Math.abs(sum / checksum - 1)).toBeLessThan(1e-12);
  });

  it("linear reaches scikit-learn's optimum", async () => {
    const trained = await trainLinear(items, { engine });
    expect(trained.converged).toBe(true);
    expect(Math.abs(trained.objective / linear.objective - 1)).toBeLessThan(2e-6);
    const probabilities = classProbabilities(trained, items);
    linear.probabilities.forEach((row, i) =>
      row.forEach((expected, k) => expect(Math.abs((probabilities[i]?.[k] ?? NaN) - expected)).toBeLessThan(1e-3)),
    );
  });

  it("linear predicts as scikit-learn does, but for one item in 200", async () => {
    const score = await getProxy("linear", engine).score(items);
    expect(score.items).toBe(spec.test);
    expect(score.score).toBe((score.correct ?? NaN) / spec.test);
    expect(Math.abs((score.correct ?? NaN) - linear.correct)).toBeLessThanOrEqual(1);
  });

  it("knn predicts as scikit-learn does", async () => {
    const score = await getProxy("knn", engine).score(items);
    expect(Math.abs((score.correct ?? NaN) - knn.correct)).toBeLessThanOrEqual(1);
  });

  it("hscore and logme equal the formulas in float64", async () => {
    const h = await getProxy("hscore", engine).score(items);
    expect(Math.abs(h.score / hscore - 1)).toBeLessThan(1e-5);
    expect(h.items).toBe(spec.train);
    const evidence = await getProxy("logme", engine).score(items);
    expect(Math.abs(evidence.score - logme)).toBeLessThan(1e-6 * Math.max(1, Math.abs(logme)));
  });
});
