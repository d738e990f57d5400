import type { Stack } from "./matrix-engine.ts";

/** A stack of zeros. */
export const newStack = (count: number, rows: number, cols: number): Stack => ({
  data: new Float32Array(count * rows * cols),
  ...{ count, rows, cols },
});

/** The values of one matrix of a stack, where they are. */
export const partOf = ({ data, rows, cols }: Stack, index: number): Float32Array =>
  data.subarray(index * rows * cols, (index + 1) * rows * cols);

/** Matrices of one shape, one after the other; a single one is not copied. */
export function stackOf(parts: readonly Float32Array[], rows: number, cols: number): Stack {
  const [only] = parts;
  if (only && parts.length === 1) return { data: only, count: 1, rows, cols };
  const stack = newStack(parts.length, rows, cols);
  parts.forEach((part, index) => partOf(stack, index).set(part));
  return stack;
}
