import { elementCount, type TensorInfo } from "./graph.ts";
import type { Lowering } from "./operator.ts";

/** A feature map [N, C, H, W] as [C, H W, N]: a 1x1 convolution is one matrix product then, whatever the batch. */
export function batchLast(l: Lowering, map: string, { dims }: TensorInfo): string {
  const [channels = 0, height = 0, width = 0] = dims;
  const turned = l.node("Transpose", [l.node("Flatten", [map], { axis: 1 })], { perm: [1, 0] });
  return reshape(l, turned, [channels, height * width, -1]);
}

/** The inverse of `batchLast`. */
export function batchFirst(l: Lowering, moved: string, { dims }: TensorInfo): string {
  const turned = l.node("Transpose", [reshape(l, moved, [elementCount(dims), -1])], { perm: [1, 0] });
  return reshape(l, turned, [-1, ...dims]);
}

/** @param shape one of its sizes may be -1: what is left */
export const reshape = (l: Lowering, value: string, shape: readonly number[]): string =>
  l.node("Reshape", [value, l.constant(BigInt64Array.from(shape, BigInt), [shape.length])]);
