import { elementCount, type BlockGraph } from "./graph.ts";

/** Where a slot's float32 values lie in a block's weight file. */
export interface SlotPlace {
  readonly offset: number;
  readonly length: number;
}

export interface WeightLayout {
  readonly slots: readonly SlotPlace[];
  readonly bytes: number;
}

/** Cache line; enough for every SIMD load. */
const ALIGNMENT = 64;

/** The layout of a block's weight file: the slots in order, each aligned. Follows from the graph alone. */
export function layoutWeights(graph: Pick<BlockGraph, "slots">): WeightLayout {
  let end = 0;
  const slots = graph.slots.map((shape) => {
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    const length = 4 * elementCount(shape);
    end = offset + length;
    return { offset, length };
  });
  return { slots, bytes: end };
}

/** Bytes of the weights themselves, without the gaps. */
export const weightBytes = (graph: BlockGraph): number =>
  graph.slots.reduce((sum, shape) => sum + 4 * elementCount(shape), 0);
