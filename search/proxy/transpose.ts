import type { Matrix, Stack } from "./matrix-engine.ts";

/** Rows that are transposed together: 16 float32 values fill a cache line of 64 bytes. */
export const TILE = 16;

/** A transposed copy. */
export function transpose({ data, rows, cols }: Matrix): Matrix {
  const out = new Float32Array(data.length);
  transposeInto(out, data, rows, cols);
  return { data: out, rows: cols, cols: rows };
}

/** Transposed copies of all. */
export function transposeAll({ data, count, rows, cols }: Stack): Stack {
  const out = new Float32Array(data.length);
  const size = rows * cols;
  for (let at = 0; at < data.length; at += size) {
    transposeInto(out.subarray(at, at + size), data.subarray(at, at + size), rows, cols);
  }
  return { data: out, count, rows: cols, cols: rows };
}

function transposeInto(out: Float32Array, data: Float32Array, rows: number, cols: number): void {
  for (let start = 0; start < rows; start += TILE) {
    const end = Math.min(start + TILE, rows);
    for (let j = 0; j < cols; j++) {
      for (let i = start; i < end; i++) out[j * rows + i] = data[i * cols + j] ?? 0;
    }
  }
}
