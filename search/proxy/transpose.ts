import type { Matrix, Stack } from "./matrix-engine.ts";
import { newStack, partOf } from "./stack.ts";

/** Rows that are transposed together: 16 float32 values fill a cache line of 64 bytes. */
const TILE = 16;

/** A transposed copy. */
export function transpose({ data, rows, cols }: Matrix): Matrix {
  const out = new Float32Array(data.length);
  transposeInto(out, data, rows, cols);
  return { data: out, rows: cols, cols: rows };
}

/** Transposed copies of all. */
export function transposeAll(stack: Stack): Stack {
  const { count, rows, cols } = stack;
  const out = newStack(count, cols, rows);
  for (let index = 0; index < count; index++) transposeInto(partOf(out, index), partOf(stack, index), rows, cols);
  return out;
}

function transposeInto(out: Float32Array, data: Float32Array, rows: number, cols: number): void {
  for (let start = 0; start < rows; start += TILE) {
    const end = Math.min(start + TILE, rows);
    for (let j = 0; j < cols; j++) {
      for (let i = start; i < end; i++) out[j * rows + i] = data[i * cols + j] ?? 0;
    }
  }
}
