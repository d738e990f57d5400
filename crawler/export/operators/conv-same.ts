import type { Ops, Value } from "../ops.ts";
import type { Params } from "../params.ts";
import { conv } from "./conv.ts";
import { samePad } from "./pad.ts";

export interface StepOptions {
  readonly stride?: number;
  readonly dilation?: number;
}

/** Convolution whose number of groups follows from its weight: depthwise where that takes one channel. */
export function groupedConv(
  g: Ops,
  x: Value<4>,
  p: Params,
  options: StepOptions & { readonly padding?: number } = {},
): Value<4> {
  const [, perGroup = 1] = p.tensor("weight", 4).shape;
  return conv(g, x, p, { ...options, groups: Math.floor((x.info.dims[0] ?? 0) / Math.max(perGroup, 1)) });
}

/** `groupedConv` with TensorFlow's padding "SAME", which is the usual one where nothing strides. */
export function convSame(g: Ops, x: Value<4>, p: Params, { stride = 1, dilation = 1 }: StepOptions = {}): Value<4> {
  const kernel = p.tensor("weight", 4).shape[2] ?? 1;
  if (stride === 1 && ((kernel - 1) * dilation) % 2 === 0) return groupedConv(g, x, p, { dilation });
  return groupedConv(g, samePad(g, x, kernel, stride, dilation), p, { stride, dilation, padding: 0 });
}
