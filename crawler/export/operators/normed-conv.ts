import type { Lowering, Operator } from "../operator.ts";
import { convOperator, onnxConvAttributes } from "./conv.ts";
import { numberAttribute } from "./shapes.ts";
import { ints } from "./tokens.ts";

/** Weight, bias, mean and variance of a norm. */
const NORM_SLOTS = 4;

/**
 * A convolution and the batch norm behind it as one convolution, whose weight and bias are worked out in float32 from
 * those of both (onnxruntime does so once, when the session opens). Slots: the convolution's, then the norm's.
 */
export const normedConvOperator: Operator = {
  name: "normedConv",
  infer: (site) => convOperator.infer({ ...site, slots: site.slots.slice(0, -NORM_SLOTS) }),
  flops: (site, output) => convOperator.flops(site, output),
  lower(l) {
    const [weight, bias] = l.exactly(() => fold(l));
    return l.node("Conv", [...l.inputNames, weight, bias], onnxConvAttributes(l));
  },
};

function fold(l: Lowering): readonly [weight: string, bias: string] {
  const [scale = "", shift = "", mean = "", variance = ""] = l.slotNames.slice(-NORM_SLOTS);
  const [weight = "", bias] = l.slotNames.slice(0, -NORM_SLOTS);
  const epsilon = l.constant(Float32Array.of(numberAttribute(l.attributes, "epsilon")), []);
  const factor = l.node("Div", [scale, l.node("Sqrt", [l.node("Add", [variance, epsilon])])]);
  const centre = bias === undefined ? mean : l.node("Sub", [mean, bias]);
  return [
    l.node("Mul", [weight, l.node("Reshape", [factor, ints(l, -1, 1, 1, 1)])]),
    l.node("Sub", [shift, l.node("Mul", [centre, factor])]),
  ];
}
