import { reshape } from "../batch-last.ts";
import type { Attributes, TensorInfo } from "../graph.ts";
import type { Lowering, Operator, OperatorSite } from "../operator.ts";
import { convOperator } from "./conv.ts";
import { numberAttribute } from "./shapes.ts";
import { isTinyMap, tinyMapProduct } from "./tiny-map.ts";

/**
 * A convolution with all that follows it in a residual unit, relu(scale · conv(x) + bias + sum), as one product of its weight,
 * as it is stored, with the windows of all items of a batch side by side. The sum and the relu may be missing. Inputs: x,
 * then the value that is added. Slots: weight [out, C kh kw], bias [out], then, where there is one, scale [out]. The kernel
 * is an attribute. For small maps: every window is a copy. On the smallest, windows are mostly border, and products of
 * sums take their place.
 */
export const matrixConvOperator: Operator = {
  name: "matrixConv",
  infer: (site) => convOperator.infer(asConv(site)),
  flops: (site, output) => convOperator.flops(asConv(site), output),
  lower: (l) => l.exactly(() => lowerMatrix(l)), // weights are used as they are stored
};

/** The same place of a plain convolution. */
function asConv({ inputs, slots, attributes }: OperatorSite): OperatorSite {
  const [kh, kw] = kernelOf(attributes);
  const [out = 0, width = 0] = slots[0] ?? [];
  return { inputs, slots: [[out, width / (kh * kw), kh, kw]], attributes };
}

function kernelOf({ kernel }: Attributes): readonly [height: number, width: number] {
  const [kh, kw] = Array.isArray(kernel) ? (kernel as readonly number[]) : [];
  if (kh === undefined || kw === undefined) throw new TypeError('attribute "kernel" is not a height and a width');
  return [kh, kw];
}

function lowerMatrix(l: Lowering): string {
  const [x = "", sum] = l.inputNames;
  const [weight = "", bias = "", scale] = l.slotNames;
  const [from = { dims: [] }] = l.inputs;
  const to = convOperator.infer(asConv(l));
  const [out = 0, height = 0, width = 0] = to.dims;
  const perChannel = (slot: string): string => reshape(l, slot, [-1, 1, 1]);
  const map = l.toBatchLast(x, from);
  let y = isTinyMap(l.attributes, from)
    ? tinyMapProduct(l, map, weight, from, out)
    : reshape(l, l.node("MatMul", [weight, windows(l, map, from, to)]), [out, height * width, -1]);
  if (scale !== undefined) y = l.node("Mul", [y, perChannel(scale)]);
  y = l.node("Add", [y, perChannel(bias)]);
  if (sum !== undefined) y = l.node("Add", [y, l.toBatchLast(sum, to)]);
  if (l.attributes["relu"] === true) y = l.node("Relu", [y]);
  return l.fromBatchLast(y, to);
}

/** What each output pixel of each item sees: from [C, H W, N] to [C kh kw, H' W' N]. */
function windows(l: Lowering, x: string, from: TensorInfo, to: TensorInfo): string {
  const [channels = 0, height = 0, width = 0] = from.dims;
  const pixels = height * width;
  const seen = seenPixels(l.attributes, from, to);
  const rows = channels * (seen.length / ((to.dims[1] ?? 0) * (to.dims[2] ?? 0)));
  if (seen.length === pixels && seen.every((pixel, index) => pixel === index)) return reshape(l, x, [rows, -1]);
  const padded = seen.includes(pixels) ? l.node("Pad", [x, l.constant(ZERO_BEHIND, [6])]) : x;
  const index = l.constant(BigInt64Array.from(seen, BigInt), [seen.length]);
  return reshape(l, l.node("Gather", [padded, index], { axis: 1 }), [rows, -1]);
}

/** One more row of zeros on the axis of pixels. */
const ZERO_BEHIND = BigInt64Array.of(0n, 0n, 0n, 0n, 1n, 0n);

/** For each place of the kernel and each output pixel: the input pixel, or the number of them for one that is padding. */
function seenPixels(attributes: Attributes, from: TensorInfo, to: TensorInfo): number[] {
  const [kh, kw] = kernelOf(attributes);
  const stride = numberAttribute(attributes, "stride");
  const padding = numberAttribute(attributes, "padding");
  const dilation = numberAttribute(attributes, "dilation");
  const [, height = 0, width = 0] = from.dims;
  const [, toHeight = 0, toWidth = 0] = to.dims;
  const seen: number[] = [];
  for (let ky = 0; ky < kh; ky++) {
    for (let kx = 0; kx < kw; kx++) {
      for (let y = 0; y < toHeight; y++) {
        for (let x = 0; x < toWidth; x++) {
          const row = y * stride + ky * dilation - padding;
          const column = x * stride + kx * dilation - padding;
          const isInside = row >= 0 && row < height && column >= 0 && column < width;
          seen.push(isInside ? row * width + column : height * width);
        }
      }
    }
  }
  return seen;
}
