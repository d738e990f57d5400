import { elementCount } from "../graph.ts";
import { NCHWC_DOMAIN } from "../onnx-model.ts";
import type { Operator } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { expectShape, numberAttribute, windowed } from "./shapes.ts";

/** Maximum over a square window of [C, H, W]. */
export const maxPoolOperator: Operator = {
  name: "maxPool",
  infer(site) {
    const [channels = 0, height = 0, width = 0] = site.inputs[0]?.dims ?? [];
    const [kernel, stride, padding] = settings(site.attributes);
    const dims = [channels, windowed(height, kernel, stride, padding), windowed(width, kernel, stride, padding)];
    expectShape(
      dims.every((dim) => dim > 0),
      "maxPool",
      `an input of at least ${kernel} pixels`,
      site,
    );
    return { dims };
  },
  flops: (site, output) => numberAttribute(site.attributes, "kernel") ** 2 * elementCount(output.dims),
  lower(l) {
    const [kernel, stride, padding] = settings(l.attributes);
    const attributes = {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [padding, padding, padding, padding],
    };
    const [x = ""] = l.inputNames;
    if (!l.isBlocked(x)) return l.node("MaxPool", [x], attributes);
    const { dims } = l.inputs[0] ?? { dims: [] };
    return l.fromBlocked(l.node("MaxPool", [l.toBlocked(x)], attributes, NCHWC_DOMAIN), dims[0] ?? 0);
  },
};

const settings = (attributes: Parameters<typeof numberAttribute>[0]) =>
  [
    numberAttribute(attributes, "kernel"),
    numberAttribute(attributes, "stride"),
    numberAttribute(attributes, "padding"),
  ] as const;

/** Mean over height and width: [C, H, W] -> [C]. */
export const globalAveragePoolOperator: Operator = {
  name: "globalAveragePool",
  infer(site) {
    expectShape(site.inputs[0]?.dims.length === 3, "globalAveragePool", "[channels, height, width]", site);
    return { dims: [site.inputs[0]?.dims[0] ?? 0] };
  },
  flops: (site) => elementCount(site.inputs[0]?.dims ?? []),
  // the sum over a large map is too large for float16, or loses its small terms
  lower: (l) => l.exactly(() => l.node("Flatten", [l.node("GlobalAveragePool", l.inputNames)], { axis: 1 })),
};

export const maxPool = (g: Ops, x: Value<4>, kernel: number, stride: number, padding: number): Value<4> =>
  g.apply<4>(maxPoolOperator, [x], [], { kernel, stride, padding });

export const globalAveragePool = (g: Ops, x: Value<4>): Value<2> => g.apply<2>(globalAveragePoolOperator, [x]);
