import { elementCount } from "../graph.ts";
import type { Operator } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import type { Params } from "../params.ts";
import { expectShape, numberAttribute } from "./shapes.ts";

/** Batch normalisation in inference; slots: weight, bias, running mean, running variance, each [C]. */
export const batchNormOperator: Operator = {
  name: "batchNorm",
  normalises: true,
  infer(site) {
    const [x] = site.inputs;
    const channels = x?.dims[0];
    expectShape(
      x !== undefined &&
        site.slots.length === 4 &&
        site.slots.every((slot) => slot.length === 1 && slot[0] === channels),
      "batchNorm",
      "four weights of one value a channel",
      site,
    );
    return { dims: x?.dims ?? [] };
  },
  flops: (_site, output) => 2 * elementCount(output.dims),
  lower: (l) =>
    // variances of dead channels are 0 in float16, large ones infinite
    l.exactly(() =>
      l.node("BatchNormalization", [...l.inputNames, ...l.slotNames], {
        epsilon: { float: numberAttribute(l.attributes, "epsilon") },
      }),
    ),
};

/** Batch norm by the running statistics, frozen or not. */
export function batchNorm(g: Ops, x: Value<4>, p: Params, epsilon = 1e-5): Value<4> {
  const tensors = ["weight", "bias", "running_mean", "running_var"].map((name) => p.tensor(name, 1));
  return g.apply<4>(batchNormOperator, [x], tensors, { epsilon });
}
