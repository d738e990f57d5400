import { elementCount, type TensorRef } from "../graph.ts";
import type { Operator } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { expectShape } from "./shapes.ts";

/** Plus a weight [C] over the last axis. */
export const shiftOperator: Operator = {
  name: "shift",
  infer(site) {
    const [x] = site.inputs;
    const [weight] = site.slots;
    expectShape(
      x !== undefined && weight?.length === 1 && weight[0] === x.dims.at(-1),
      "shift",
      "a weight of one value a feature",
      site,
    );
    return x ?? { dims: [] };
  },
  flops: (_site, output) => elementCount(output.dims),
  lower: (l) => l.node("Add", [...l.inputNames, ...l.slotNames]),
};

export const shift = <R extends number>(g: Ops, x: Value<R>, weight: TensorRef): Value<R> =>
  g.apply<R>(shiftOperator, [x], [weight]);
