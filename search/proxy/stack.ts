import type { Stack } from "./matrix-engine.ts";

/** A stack of zeros. */
export const newStack = (count: number, rows: number, cols: number): Stack => ({
  data: new Float32Array(count * rows * cols),
  ...{ count, rows, cols },
});

/** The values of one matrix of a stack, where they are. */
export const partOf = ({ data, rows, cols }: Stack, index: number): Float32Array =>
  data.subarray(index * rows * cols, (index + 1) * rows * cols);
