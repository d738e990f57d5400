import { elementCount } from "../graph.ts";
import type { Operator } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import type { Params } from "../params.ts";
import { expectShape } from "./shapes.ts";
import { ints } from "./tokens.ts";

/** Keeps the division away from zero; fixed in every implementation. */
const EPSILON = 1e-6;

/**
 * Global response normalisation (arXiv 2301.00808, section 3): each feature is weighted by its norm over all tokens,
 * relative to the mean of all features' norms. Slots: weight and bias, each of C values.
 */
export const responseNormOperator: Operator = {
  name: "responseNorm",
  normalises: true,
  infer(site) {
    const [x] = site.inputs;
    const fits = site.slots.length === 2 && site.slots.every((slot) => elementCount(slot) === x?.dims[1]);
    expectShape(
      x?.dims.length === 2 && fits && site.slots.every((slot) => slot.at(-1) === x.dims[1]),
      "responseNorm",
      "tokens, and a weight and a bias of one value a feature",
      site,
    );
    return x ?? { dims: [] };
  },
  flops: (_site, output) => 6 * elementCount(output.dims),
  lower(l) {
    const [x = ""] = l.inputNames;
    const [weight = "", bias = ""] = l.slotNames;
    const width = ints(l, -1);
    const shares = l.exactly(() => {
      // the squares of more than 255 are infinite in float16
      const norms = l.node("ReduceL2", [x, ints(l, 1)], { keepdims: 1 });
      const mean = l.node("ReduceMean", [norms, width], { keepdims: 1 });
      return l.node("Div", [norms, l.node("Add", [mean, l.constant(Float32Array.of(EPSILON), [])])]);
    });
    const weighted = l.node("Mul", [l.node("Reshape", [weight, width]), l.node("Mul", [x, shares])]);
    return l.node("Add", [l.node("Add", [weighted, l.node("Reshape", [bias, width])]), x]);
  },
};

/** Over tokens, with weights of [1, 1, 1, C]. */
export const responseNorm = (g: Ops, x: Value<3>, p: Params): Value<3> =>
  g.apply<3>(responseNormOperator, [x], [p.tensor("weight", 4), p.tensor("bias", 4)]);
