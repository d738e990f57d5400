import type { Attributes, TensorInfo } from "../graph.ts";
import type { Operator } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { expectShape, numberAttribute } from "./shapes.ts";

/** Rows and columns of zeros that are added to [C, H, W]. */
export interface Margins {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** Adds zeros around [C, H, W]; how many may follow from the size. */
const padOperator = (
  name: string,
  marginsOf: (attributes: Attributes, height: number, width: number) => Margins,
): Operator => {
  const margins = (attributes: Attributes, [, height = 0, width = 0]: readonly number[]) =>
    marginsOf(attributes, height, width);
  return {
    name,
    infer(site): TensorInfo {
      const { dims = [] } = site.inputs[0] ?? {};
      expectShape(dims.length === 3, name, "[channels, height, width]", site);
      const [channels = 0, height = 0, width = 0] = dims;
      const { top, left, bottom, right } = margins(site.attributes, dims);
      return { dims: [channels, top + height + bottom, left + width + right] };
    },
    flops: () => 0,
    lower(l) {
      const { top, left, bottom, right } = margins(l.attributes, l.inputs[0]?.dims ?? []);
      const [x = ""] = l.inputNames;
      if (top + left + bottom + right === 0) return x;
      const ends = BigInt64Array.from([0, 0, top, left, 0, 0, bottom, right], BigInt);
      return l.node("Pad", [x, l.constant(ends, [8])]);
    },
  };
};

/** A fixed number of zeros. */
export const zeroPadOperator = padOperator("zeroPad", (attributes) => ({
  top: numberAttribute(attributes, "top"),
  left: numberAttribute(attributes, "left"),
  bottom: numberAttribute(attributes, "bottom"),
  right: numberAttribute(attributes, "right"),
}));

/**
 * TensorFlow's "SAME" (https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2): the convolution that
 * follows puts out ceil(size / stride); an odd zero goes below and to the right.
 */
export const samePadOperator = padOperator("samePad", (attributes, height, width) => {
  const stride = numberAttribute(attributes, "stride");
  const window = (numberAttribute(attributes, "kernel") - 1) * numberAttribute(attributes, "dilation") + 1;
  const total = (size: number) => Math.max((Math.ceil(size / stride) - 1) * stride + window - size, 0);
  const [rows, columns] = [total(height), total(width)];
  const [top, left] = [Math.floor(rows / 2), Math.floor(columns / 2)];
  return { top, left, bottom: rows - top, right: columns - left };
});

/** Zeros below and to the right, up to a whole number of patches. */
export const patchPadOperator = padOperator("patchPad", (attributes, height, width) => {
  const patch = numberAttribute(attributes, "patch");
  return { top: 0, left: 0, bottom: missing(height, patch), right: missing(width, patch) };
});

const missing = (size: number, multiple: number): number => (multiple - (size % multiple)) % multiple;

export const zeroPad = (g: Ops, x: Value<4>, { top, left, bottom, right }: Margins): Value<4> =>
  g.apply<4>(zeroPadOperator, [x], [], { top, left, bottom, right });

export const samePad = (g: Ops, x: Value<4>, kernel: number, stride: number, dilation: number): Value<4> =>
  g.apply<4>(samePadOperator, [x], [], { kernel, stride, dilation });

export const patchPad = (g: Ops, x: Value<4>, patch: number): Value<4> =>
  g.apply<4>(patchPadOperator, [x], [], { patch });
