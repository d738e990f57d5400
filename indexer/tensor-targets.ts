import type { Checkpoint } from "../crawler/checkpoint/open-checkpoint.ts";
import { elementCount, type Backbone } from "../crawler/export/graph.ts";

/** A slot that a tensor fills: the slot takes the bytes from `begin` to `end` of the tensor's float32 values. */
export interface SlotTarget {
  readonly block: number;
  readonly slot: number;
  readonly begin: number;
  readonly end: number;
}

/** Where a tensor goes. */
export interface TensorTargets {
  readonly slots: readonly SlotTarget[];
  /** Whether the first slot takes the tensor as it is, so that its hash is the tensor's. */
  readonly isWhole: boolean;
}

/** Where a tensor goes that no block reads. */
export const NOWHERE: TensorTargets = { slots: [], isWhole: false };

/** Which slots of a backbone's blocks the tensors of a checkpoint fill, by name. Pure. */
export function tensorTargets({ blocks }: Backbone, { tensors }: Checkpoint): Map<string, TensorTargets> {
  const targets = new Map<string, TensorTargets>();
  blocks.forEach((block, index) =>
    block.tensors.forEach(({ name, shape, offset = 0 }, slot) => {
      const begin = 4 * offset;
      const target = { block: index, slot, begin, end: begin + 4 * elementCount(shape) };
      const { slots, isWhole } = targets.get(name) ?? NOWHERE;
      const takesAll = offset === 0 && tensors.get(name)?.shape.join() === shape.join();
      if (takesAll && !isWhole) targets.set(name, { slots: [target, ...slots], isWhole: true });
      else targets.set(name, { slots: [...slots, target], isWhole });
    }),
  );
  return targets;
}
