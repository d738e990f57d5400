import type { Matrix } from "../../search/proxy/matrix-engine.ts";

/** With a row of ones below. */
export function withOnes({ data, rows, cols }: Matrix): Matrix {
  const out = new Float32Array((rows + 1) * cols).fill(1);
  out.set(data);
  return { data: out, rows: rows + 1, cols };
}
