import { elementCount, type TensorRef } from "../graph.ts";
import type { Operator } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { expectShape } from "./shapes.ts";

/** Times a weight [C] over the last axis (layer scale, arXiv 2103.17239). */
export const scaleOperator: Operator = {
  name: "scale",
  infer(site) {
    const [x] = site.inputs;
    const [weight] = site.slots;
    expectShape(
      x !== undefined && weight?.length === 1 && weight[0] === x.dims.at(-1),
      "scale",
      "a weight of one value a feature",
      site,
    );
    return x ?? { dims: [] };
  },
  flops: (_site, output) => elementCount(output.dims),
  lower: (l) => l.node("Mul", [...l.inputNames, ...l.slotNames]),
};

export const scale = <R extends number>(g: Ops, x: Value<R>, weight: TensorRef): Value<R> =>
  g.apply<R>(scaleOperator, [x], [weight]);
