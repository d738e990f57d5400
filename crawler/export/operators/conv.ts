import type { Operator } from "../operator.ts";
import { elementCount } from "../graph.ts";
import { expectShape, numberAttribute, windowed } from "./shapes.ts";

/** 2-D convolution over [C, H, W]; slots: weight [out, C / groups, kh, kw], then a bias [out] where there is one. */
export const conv: Operator = {
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
  lower(l) {
    const [, , kh = 0, kw = 0] = l.slots[0] ?? [];
    const [stride, padding, dilation, groups] = settings(l.attributes);
    return l.node("Conv", [...l.inputNames, ...l.slotNames], {
      kernel_shape: [kh, kw],
      strides: [stride, stride],
      pads: [padding, padding, padding, padding],
      dilations: [dilation, dilation],
      group: groups,
    });
  },
};

const settings = (attributes: Parameters<typeof numberAttribute>[0]) =>
  [
    numberAttribute(attributes, "stride"),
    numberAttribute(attributes, "padding"),
    numberAttribute(attributes, "dilation"),
    numberAttribute(attributes, "groups"),
  ] as const;
