import { elementCount } from "../graph.ts";
import { NCHWC_DOMAIN } from "../onnx-model.ts";
import type { Operator } from "../operator.ts";
import { numberAttribute, windowed } from "./shapes.ts";

/**
 * A convolution with all that follows it in a residual unit, on onnxruntime's blocked layout: relu(conv(x) + bias + sum),
 * of which the sum and the relu may be missing. Inputs: x, then the value that is added. Slots: weight
 * [out, C, kh, kw], its values in the order [out/c, C/c, kh, kw, c in, c out] (`blockWeights`), then a bias [out].
 */
export const blockedConvOperator: Operator = {
  name: "blockedConv",
  infer({ inputs, slots, attributes }) {
    const [, height = 0, width = 0] = inputs[0]?.dims ?? [];
    const [out = 0, , kh = 0, kw = 0] = slots[0] ?? [];
    const [stride, padding, dilation] = settings(attributes);
    return {
      dims: [out, windowed(height, kh, stride, padding, dilation), windowed(width, kw, stride, padding, dilation)],
    };
  },
  flops({ slots }, output) {
    const [, channels = 0, kh = 0, kw = 0] = slots[0] ?? [];
    return 2 * channels * kh * kw * elementCount(output.dims);
  },
  lower(l) {
    const [x = "", sum] = l.inputNames;
    const [out = 0, , kh = 0, kw = 0] = l.slots[0] ?? [];
    const [stride, padding, dilation] = settings(l.attributes);
    const inputs = [l.toBlocked(x), ...l.slotNames, ...(sum === undefined ? [] : [l.toBlocked(sum)])];
    const attributes = {
      kernel_shape: [kh, kw],
      strides: [stride, stride],
      pads: [padding, padding, padding, padding],
      dilations: [dilation, dilation],
      group: 1,
      ...(l.attributes["relu"] === true && { activation: "Relu" }),
    };
    return l.fromBlocked(l.node("Conv", inputs, attributes, NCHWC_DOMAIN), out);
  },
};

const settings = (attributes: Parameters<typeof numberAttribute>[0]) =>
  [
    numberAttribute(attributes, "stride"),
    numberAttribute(attributes, "padding"),
    numberAttribute(attributes, "dilation"),
  ] as const;
