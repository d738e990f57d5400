import { expect, it } from "vitest";
import { encodeProxyGraphs } from "./encode-proxy-graphs.ts";
import { disposeSharedMatrixEngine, MatrixEngine, sharedMatrixEngine } from "./matrix-engine.ts";

const a = { data: Float32Array.of(1, 2, 3, 4, 5, 6), rows: 2, cols: 3 };

it("multiplies, also by a transposed matrix", async () => {
  const engine = new MatrixEngine({ threads: 1 });
  try {
    const b = { data: Float32Array.of(1, 0, 0, 1, 1, 1), rows: 3, cols: 2 };
    expect(await engine.multiply(a, b)).toEqual({ data: Float32Array.of(4, 5, 10, 11), rows: 2, cols: 2 });
    expect(await engine.multiply(a, a, { transposeB: true })).toEqual({
      data: Float32Array.of(14, 32, 32, 77),
      rows: 2,
      cols: 2,
    });
    await expect(engine.multiply(a, a)).rejects.toThrow("cannot multiply [2, 3] by an inner size of 2");
  } finally {
    await engine.dispose();
  }
});

it("reads a part of a larger array where it is", async () => {
  const engine = new MatrixEngine({ threads: 1 });
  const long = Float32Array.of(9, 9, 1, 2, 3, 9);
  const part = { data: long.subarray(2, 5), rows: 1, cols: 3 };
  expect((await engine.multiply(part, part, { transposeB: true })).data).toEqual(Float32Array.of(14));
  await engine.dispose();
});

it("accumulates Gram matrices in float64", async () => {
  const engine = new MatrixEngine({ threads: 1 });
  const x = { data: Float32Array.of(4097, 4099, 1, 0), rows: 2, cols: 2 };
  expect(await engine.gram(x)).toEqual(Float64Array.of(4097 ** 2 + 4099 ** 2, 4097, 4097, 1));
  await engine.dispose();
});

it("works again after it was disposed", async () => {
  const engine = sharedMatrixEngine();
  await engine.gram(a);
  await disposeSharedMatrixEngine();
  expect(sharedMatrixEngine()).not.toBe(engine);
  expect(await engine.gram(a)).toEqual(Float64Array.of(14, 32, 32, 77));
  await engine.dispose();
  await disposeSharedMatrixEngine();
});

it("runs the graphs that it is given, which are those that it writes otherwise", async () => {
  const models = encodeProxyGraphs();
  const x = { data: Float32Array.of(1, 2, 3, 4), rows: 2, cols: 2 };
  const transposed = Float32Array.of(5, 11, 11, 25);
  for (const [given, expected] of [
    [undefined, transposed],
    [models, transposed],
    [{ ...models, multiplyTransposed: models.multiply }, Float32Array.of(7, 10, 15, 22)],
  ] as const) {
    const engine = new MatrixEngine({ threads: 1, models: given });
    expect((await engine.multiply(x, x, { transposeB: true })).data).toEqual(expected);
    await engine.dispose();
  }
});
