import { reshape } from "../batch-last.ts";
import type { Attributes, TensorInfo } from "../graph.ts";
import type { Lowering } from "../operator.ts";

/**
 * A 3-tap convolution along an axis of n pixels between zeros, by fewer products: y = A [(G w) * (B x)], where * goes
 * element by element. A is [n, m], G [m, 3] and B [m, n].
 */
interface AxisProducts {
  readonly a: readonly (readonly number[])[];
  readonly g: readonly (readonly number[])[];
  readonly b: readonly (readonly number[])[];
}

/**
 * By the axis's length. Of one pixel the middle tap sees all that is not zero. Of two, y = [[w1, w2], [w0, w1]] x is a
 * Toeplitz product, which takes three multiplications (the transpose of Karatsuba's; Winograd, Arithmetic Complexity of
 * Computations, 1980): w1 (x0 + x1), (w2 - w1) x1 and (w0 - w1) x0. Nothing is scaled, so that rounding is as of the plain
 * sum. Longer axes save less than their transforms cost.
 */
const PRODUCTS: Readonly<Record<number, AxisProducts>> = {
  1: { a: [[1]], g: [[0, 1, 0]], b: [[1]] },
  2: {
    a: [
      [1, 1, 0],
      [1, 0, 1],
    ],
    g: [
      [0, 1, 0],
      [0, -1, 1],
      [1, -1, 0],
    ],
    b: [
      [1, 1],
      [0, 1],
      [1, 0],
    ],
  },
};

/** Whether `tinyMapProduct` computes a convolution: 3x3, within a border of zeros, from a map of at most 2 x 2 pixels. */
export function isTinyMap({ kernel, stride, padding, dilation }: Attributes, { dims }: TensorInfo): boolean {
  const isThree = Array.isArray(kernel) && kernel.every((size) => size === 3);
  const [, height = 0, width = 0] = dims;
  return isThree && stride === 1 && padding === 1 && dilation === 1 && height in PRODUCTS && width in PRODUCTS;
}

/**
 * A 3x3 convolution on a map of at most 2 x 2 pixels: of a window there most is border. In place of the 36 products of a
 * weight's taps with the windows of 2 x 2 pixels it takes 9, of sums of taps and sums of pixels. The weight is summed in each
 * batch, in one pass over it: as a file of its own it would take longer to write than that takes for all batches of a search.
 * @param x [C, H W, N] @param weight [out, C 9] @returns [out, H W, N]
 */
export function tinyMapProduct(l: Lowering, x: string, weight: string, { dims }: TensorInfo, out: number): string {
  const [channels = 0, height = 0, width = 0] = dims;
  const [vertical, horizontal] = [PRODUCTS[height], PRODUCTS[width]];
  if (!vertical || !horizontal) throw new RangeError(`a map of ${height} x ${width} pixels is not tiny`);
  const a = kronecker(vertical.a, horizontal.a);
  const g = kronecker(vertical.g, horizontal.g);
  const b = kronecker(vertical.b, horizontal.b);
  const swap = (value: string): string => l.node("Transpose", [value], { perm: [1, 0, 2] });
  const pixels = l.node("MatMul", [matrix(l, b), reshape(l, swap(x), [height * width, -1])]);
  const taps = l.node("Gemm", [matrix(l, g), reshape(l, weight, [out * channels, 9])], { transB: 1 });
  const products = l.node("MatMul", [
    reshape(l, taps, [g.length, out, channels]),
    reshape(l, pixels, [b.length, channels, -1]),
  ]);
  const sums = l.node("MatMul", [matrix(l, a), reshape(l, products, [g.length, -1])]);
  return swap(reshape(l, sums, [height * width, out, -1]));
}

const matrix = (l: Lowering, rows: readonly (readonly number[])[]): string =>
  l.constant(Float32Array.from(rows.flat()), [rows.length, rows[0]?.length ?? 0]);

/** Every value of a times every value of b: what is done along two axes, one after the other. */
const kronecker = (a: AxisProducts["a"], b: AxisProducts["a"]): readonly (readonly number[])[] =>
  a.flatMap((rowOfA) => b.map((rowOfB) => rowOfA.flatMap((x) => rowOfB.map((y) => x * y))));
