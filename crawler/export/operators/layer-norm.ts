import { elementCount, type TensorRef } from "../graph.ts";
import type { Operator } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import type { Params } from "../params.ts";
import { expectShape, numberAttribute } from "./shapes.ts";

/** Layer normalisation (arXiv 1607.06450) over the last axis; slots: weight and bias, each [C]. */
export const layerNormOperator: Operator = {
  name: "layerNorm",
  normalises: true,
  infer(site) {
    const [x] = site.inputs;
    const width = x?.dims.at(-1);
    expectShape(
      x !== undefined && site.slots.length === 2 && site.slots.every((slot) => slot.length === 1 && slot[0] === width),
      "layerNorm",
      "a weight and a bias of one value a feature",
      site,
    );
    return x ?? { dims: [] };
  },
  flops: (_site, output) => 8 * elementCount(output.dims),
  lower: (l) =>
    // squares of more than 255 are infinite in float16
    l.exactly(() =>
      l.node("LayerNormalization", [...l.inputNames, ...l.slotNames], {
        axis: -1,
        epsilon: { float: numberAttribute(l.attributes, "epsilon") },
      }),
    ),
};

/** Layer norm with tensors of any name. */
export const layerNormWith = <R extends number>(
  g: Ops,
  x: Value<R>,
  weight: TensorRef,
  bias: TensorRef,
  epsilon: number,
): Value<R> => g.apply<R>(layerNormOperator, [x], [weight, bias], { epsilon });

/** Layer norm of each token, or of a vector. `epsilon` has no default: models differ in it, and the numbers hide it. */
export const layerNorm = <R extends number>(g: Ops, x: Value<R>, p: Params, epsilon: number): Value<R> =>
  layerNormWith(g, x, p.tensor("weight", 1), p.tensor("bias", 1), epsilon);
