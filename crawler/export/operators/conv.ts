import { elementCount } from "../graph.ts";
import type { Operator, OperatorSite } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import type { Params } from "../params.ts";
import { expectShape, numberAttribute, windowed } from "./shapes.ts";

/** 2-D convolution over [C, H, W]; slots: weight [out, C / groups, kh, kw], then a bias [out] where there is one. */
export const convOperator: Operator = {
  name: "conv",
  infer(site) {
    const [channels = 0, height = 0, width = 0] = site.inputs[0]?.dims ?? [];
    const [out = 0, perGroup = 0, kh = 0, kw = 0] = site.slots[0] ?? [];
    const [stride, padding, dilation, groups] = settings(site.attributes);
    expectShape(
      site.slots[0]?.length === 4 && perGroup * groups === channels && out % groups === 0,
      "conv",
      `${perGroup * groups} channels`,
      site,
    );
    const dims = [out, windowed(height, kh, stride, padding, dilation), windowed(width, kw, stride, padding, dilation)];
    expectShape(
      dims.every((dim) => dim > 0),
      "conv",
      "an input larger than its kernel",
      site,
    );
    return { dims };
  },
  flops(site, output) {
    const [, perGroup = 0, kh = 0, kw = 0] = site.slots[0] ?? [];
    return 2 * perGroup * kh * kw * elementCount(output.dims);
  },
  lower: (l) => l.node("Conv", [...l.inputNames, ...l.slotNames], onnxConvAttributes(l)),
};

/** The attributes of ONNX's Conv. */
export function onnxConvAttributes({ slots, attributes }: OperatorSite) {
  const [, , kh = 0, kw = 0] = slots[0] ?? [];
  const [stride, padding, dilation, groups] = settings(attributes);
  return {
    kernel_shape: [kh, kw],
    strides: [stride, stride],
    pads: [padding, padding, padding, padding],
    dilations: [dilation, dilation],
    group: groups,
  };
}

const settings = (attributes: Parameters<typeof numberAttribute>[0]) =>
  [
    numberAttribute(attributes, "stride"),
    numberAttribute(attributes, "padding"),
    numberAttribute(attributes, "dilation"),
    numberAttribute(attributes, "groups"),
  ] as const;

export interface ConvOptions {
  readonly stride?: number;
  /** Default: half the kernel, which keeps the size at stride 1. */
  readonly padding?: number;
  readonly dilation?: number;
  readonly groups?: number;
}

/** Convolution with `p`'s weight, and bias where there is one. */
export function conv(g: Ops, x: Value<4>, p: Params, options: ConvOptions = {}): Value<4> {
  const { stride = 1, padding, dilation = 1, groups = 1 } = options;
  const weight = p.tensor("weight", 4);
  const tensors = p.has("bias") ? [weight, p.tensor("bias", 1)] : [weight];
  const half = Math.floor(((weight.shape[2] ?? 1) - 1) / 2) * dilation;
  return g.apply<4>(convOperator, [x], tensors, { stride, padding: padding ?? half, dilation, groups });
}
