import type { Matrix } from "./matrix-engine.ts";

/** Rows that are transposed together: 16 float32 values fill a cache line of 64 bytes. */
export const TILE = 16;

/** A transposed copy. */
export function transpose({ data, rows, cols }: Matrix): Matrix {
  const out = new Float32Array(data.length);
  for (let start = 0; start < rows; start += TILE) {
    const end = Math.min(start + TILE, rows);
    for (let j = 0; j < cols; j++) {
      for (let i = start; i < end; i++) out[j * rows + i] = data[i * cols + j] ?? 0;
    }
  }
  return { data: out, rows: cols, cols: rows };
}
