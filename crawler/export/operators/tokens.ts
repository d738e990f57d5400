import { elementCount, type TensorRef } from "../graph.ts";
import type { Lowering, Operator, OperatorSite } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { expectShape, numberAttribute } from "./shapes.ts";

/** A constant list of whole numbers. */
export const ints = (l: Lowering, ...values: number[]): string =>
  l.constant(BigInt64Array.from(values, BigInt), [values.length]);

const isTokens = ({ inputs: [x] }: OperatorSite): boolean => x?.dims.length === 2;

/** Feature maps [C, H, W] -> tokens [H * W, C], row by row. */
export const flattenMapOperator: Operator = {
  name: "flattenMap",
  infer(site) {
    const [channels = 0, rows = 0, columns = 0] = site.inputs[0]?.dims ?? [];
    expectShape(site.inputs[0]?.dims.length === 3, "flattenMap", "[channels, height, width]", site);
    return { dims: [rows * columns, channels], grid: [rows, columns] };
  },
  flops: () => 0,
  lower(l) {
    const [channels = 0] = l.inputs[0]?.dims ?? [];
    l.nameGrid(() => l.node("Shape", l.inputNames, { start: 2, end: 4 }));
    const flat = l.node("Reshape", [...l.inputNames, ints(l, 0, channels, -1)]);
    return l.node("Transpose", [flat], { perm: [0, 2, 1] });
  },
};

/** Tokens [H * W, C] -> feature maps [C, H, W]. */
export const unflattenMapOperator: Operator = {
  name: "unflattenMap",
  infer(site) {
    const [x] = site.inputs;
    const [rows, columns] = x?.grid ?? [0, 0];
    expectShape(isTokens(site) && x?.dims[0] === rows * columns, "unflattenMap", "one token a patch", site);
    return { dims: [x?.dims[1] ?? 0, rows, columns] };
  },
  flops: () => 0,
  lower(l) {
    const grid = l.gridName ?? ints(l, ...(l.inputs[0]?.grid ?? []));
    const turned = l.node("Transpose", l.inputNames, { perm: [0, 2, 1] });
    const shape = l.node("Concat", [ints(l, 0, l.inputs[0]?.dims[1] ?? 0), grid], { axis: 0 });
    return l.node("Reshape", [turned, shape]);
  },
};

/** Puts learnt tokens, slots of [n, C] each, among a picture's tokens, behind the first `at` of them (-1: behind all). */
export const insertTokensOperator: Operator = {
  name: "insertTokens",
  infer(site) {
    const [x] = site.inputs;
    const [length = 0, width = 0] = x?.dims ?? [];
    expectShape(
      isTokens(site) && site.slots.every((slot) => slot.length === 2 && slot[1] === width),
      "insertTokens",
      `tokens of ${width} features`,
      site,
    );
    return { ...x, dims: [length + site.slots.reduce((sum, slot) => sum + (slot[0] ?? 0), 0), width] };
  },
  flops: () => 0,
  lower(l) {
    const [x = ""] = l.inputNames;
    const at = numberAttribute(l.attributes, "at");
    // once for each item: added to zeros [batch, 1, 1]. Expanded to a shape, they would take arithmetic on whole numbers,
    // which WebGPU leaves to the CPU.
    const one = l.node("Slice", [x, ints(l, 0, 0), ints(l, 1, 1), ints(l, 1, 2)]);
    const zero = l.constant(Float32Array.of(0), []);
    const zeros = l.node("Clip", [one, zero, zero]);
    const tokens = l.slotNames.map((slot) => l.node("Add", [slot, zeros]));
    const slice = (from: number, to: number) => l.node("Slice", [x, ints(l, from), ints(l, to), ints(l, 1)]);
    const before = at === -1 ? [x] : at === 0 ? [] : [slice(0, at)];
    const behind = at === -1 ? [] : at === 0 ? [x] : [slice(at, Number.MAX_SAFE_INTEGER)];
    return l.node("Concat", [...before, ...tokens, ...behind], { axis: 1 });
  },
};

/** One token of all: [L, C] -> [C]. */
export const takeTokenOperator: Operator = {
  name: "takeToken",
  infer(site) {
    const index = numberAttribute(site.attributes, "index");
    expectShape(isTokens(site) && index < (site.inputs[0]?.dims[0] ?? 0), "takeToken", `token ${index}`, site);
    return { dims: [site.inputs[0]?.dims[1] ?? 0] };
  },
  flops: () => 0,
  lower(l) {
    const index = l.constant(BigInt64Array.of(BigInt(numberAttribute(l.attributes, "index"))), []);
    return l.node("Gather", [...l.inputNames, index], { axis: 1 });
  },
};

/** Mean over the tokens from number `from` on: [L, C] -> [C]. */
export const meanTokensOperator: Operator = {
  name: "meanTokens",
  infer(site) {
    const from = numberAttribute(site.attributes, "from");
    expectShape(
      isTokens(site) && from < (site.inputs[0]?.dims[0] ?? 0),
      "meanTokens",
      `more than ${from} tokens`,
      site,
    );
    return { dims: [site.inputs[0]?.dims[1] ?? 0] };
  },
  flops: (site) => elementCount(site.inputs[0]?.dims ?? []),
  lower(l) {
    const [x = ""] = l.inputNames;
    const from = numberAttribute(l.attributes, "from");
    const behind = [ints(l, from), ints(l, Number.MAX_SAFE_INTEGER), ints(l, 1)];
    const tokens = from === 0 ? x : l.node("Slice", [x, ...behind]);
    // the sum of many tokens loses its small terms in float16
    return l.exactly(() => l.node("ReduceMean", [tokens, ints(l, 1)], { keepdims: 0 }));
  },
};

/** A tensor of any shape with the same number of values, as [rows, columns]: `[1, 1, C]` or `[C]` is one token. */
export function asRows(tensor: TensorRef): TensorRef {
  const width = tensor.shape.at(-1) ?? 0;
  return { ...tensor, shape: [elementCount(tensor.shape.slice(0, -1)), width] };
}

export const flattenMap = (g: Ops, x: Value<4>): Value<3> => g.apply<3>(flattenMapOperator, [x]);

export const unflattenMap = (g: Ops, x: Value<3>): Value<4> => g.apply<4>(unflattenMapOperator, [x]);

/**
 * Learnt tokens (class, distillation, register, detection) among a picture's own.
 * @param at how many of `x` stand before them
 */
export const insertTokens = (g: Ops, x: Value<3>, tokens: readonly TensorRef[], at: number | "end" = 0): Value<3> =>
  tokens.length === 0 ? x : g.apply<3>(insertTokensOperator, [x], tokens.map(asRows), { at: at === "end" ? -1 : at });

export const takeToken = (g: Ops, x: Value<3>, index: number): Value<2> =>
  g.apply<2>(takeTokenOperator, [x], [], { index });

/** @param from first token that counts: 1 leaves a class token out */
export const meanTokens = (g: Ops, x: Value<3>, from = 0): Value<2> =>
  g.apply<2>(meanTokensOperator, [x], [], { from });
