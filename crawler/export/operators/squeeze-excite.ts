import { elementCount } from "../graph.ts";
import type { Operator } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import type { Params } from "../params.ts";
import { activate } from "./activation.ts";
import { conv } from "./conv.ts";
import { expectShape } from "./shapes.ts";

/** Mean over height and width, kept as a map of one pixel: [C, H, W] -> [C, 1, 1]. */
export const squeezeOperator: Operator = {
  name: "squeeze",
  infer(site) {
    const { dims = [] } = site.inputs[0] ?? {};
    expectShape(dims.length === 3, "squeeze", "[channels, height, width]", site);
    return { dims: [dims[0] ?? 0, 1, 1] };
  },
  flops: (site) => elementCount(site.inputs[0]?.dims ?? []),
  // the sum over a large map is too large for float16, or loses its small terms
  lower: (l) => l.exactly(() => l.node("GlobalAveragePool", l.inputNames)),
};

/** Each channel of [C, H, W] times the sigmoid of its gate [C, 1, 1]. */
export const channelGateOperator: Operator = {
  name: "channelGate",
  infer(site) {
    const [x, gate] = site.inputs;
    const fits = x?.dims.length === 3 && gate?.dims[0] === x.dims[0] && elementCount(gate?.dims ?? []) === x.dims[0];
    expectShape(fits, "channelGate", "one gate a channel", site);
    return { dims: x?.dims ?? [] };
  },
  flops: (site, output) => elementCount(output.dims) + 4 * (site.inputs[1]?.dims[0] ?? 0),
  lower(l) {
    const [x = "", gate = ""] = l.inputNames;
    return l.node("Mul", [x, l.node("Sigmoid", [gate])]);
  },
};

/**
 * Squeeze and excitation (arXiv 1709.01507): channels are weighted by what all pixels together say.
 * @param activation stands between the two 1x1 convolutions
 */
export function squeezeExcite(
  g: Ops,
  x: Value<4>,
  [reduce, expand]: readonly [reduce: Params, expand: Params],
  activation: string,
): Value<4> {
  const seen = g.apply<4>(squeezeOperator, [x]);
  const gate = conv(g, activate(g, conv(g, seen, reduce), activation), expand);
  return g.apply<4>(channelGateOperator, [x, gate]);
}
