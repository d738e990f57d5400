import { NCHWC_DOMAIN } from "../onnx-model.ts";
import type { Lowering, Operator } from "../operator.ts";
import { convOperator, onnxConvAttributes } from "./conv.ts";

/** Inputs of up to so many channels (pixels) are read as a plain map: fewer than any group of channels has. */
export const MOST_MAP_CHANNELS = 7;

/**
 * A convolution with all that follows it in a residual unit, on onnxruntime's blocked layout: relu(conv(x) + bias + sum),
 * of which the sum and the relu may be missing. Inputs: x, then the value that is added. Slots: weight
 * [out, C, kh, kw], its values in the order [out/c, C/c, kh, kw, c in, c out] (`blockWeights`; with few channels [out/c, C,
 * kh, kw, c out]), then a bias [out].
 */
export const blockedConvOperator: Operator = {
  name: "blockedConv",
  infer: (site) => convOperator.infer(site),
  flops: (site, output) => convOperator.flops(site, output),
  lower: (l) => l.exactly(() => lowerBlocked(l)), // there are no kernels for float16
};

function lowerBlocked(l: Lowering): string {
  const [x = "", sum] = l.inputNames;
  const [out = 0, channels = 0] = l.slots[0] ?? [];
  const from = channels <= MOST_MAP_CHANNELS ? x : l.toBlocked(x);
  const inputs = [from, ...l.slotNames, ...(sum === undefined ? [] : [l.toBlocked(sum)])];
  const attributes = { ...onnxConvAttributes(l), ...(l.attributes["relu"] === true && { activation: "Relu" }) };
  return l.fromBlocked(l.node("Conv", inputs, attributes, NCHWC_DOMAIN), out);
}
