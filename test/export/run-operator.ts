import type { Attributes, TensorInfo } from "../../crawler/export/graph.ts";
import type { Operator } from "../../crawler/export/operator.ts";
import { runGraph } from "./run-graph.ts";

/** Dimensions without the batch axis, and the values of one item. */
export interface Numbers {
  readonly dims: readonly number[];
  readonly values: readonly number[];
}

/**
 * Runs one operator on one item.
 * @throws Error when its output has not the shape that it inferred
 */
export async function runOperator(
  operator: Operator,
  use: {
    readonly inputs: readonly (Numbers & Pick<TensorInfo, "grid">)[];
    readonly slots?: readonly Numbers[];
    readonly attributes?: Attributes;
  },
): Promise<Numbers> {
  const slots = use.slots ?? [];
  const { dims, info, values } = await runGraph(
    use.inputs.map((input) => ({
      info: input.grid ? { dims: input.dims, grid: input.grid } : { dims: input.dims },
      values: Float32Array.from(input.values),
    })),
    (g, inputs) => {
      const tensors = slots.map((slot, index) => ({ name: String(index), shape: slot.dims }));
      return g.apply<number>(operator, inputs, tensors, use.attributes);
    },
    (slot) => Float32Array.from(slots[Number(slot)]?.values ?? []),
  );
  if (dims.join() !== [1, ...info.dims].join()) throw new Error(`inferred ${info.dims.join()}, got ${dims.join()}`);
  return { dims: info.dims, values };
}

/** 1, 2, 3, … */
export const counting = (length: number): number[] => Array.from({ length }, (_, index) => index + 1);
