import { elementCount } from "../graph.ts";
import type { Lowering, Operator, OperatorSite } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { expectShape } from "./shapes.ts";

/** The smallest float32: what no score is lower than. */
const LOWEST = -3.4028234663852886e38;
/** As in sentence-transformers: texts without a token divide by this rather than by 0. */
const LEAST_TOKENS = 1e-9;

/**
 * A mask of whole numbers as floats. They are looked up in a table of two: WebGPU leaves casts of 64-bit whole numbers to
 * the CPU, but takes them as places.
 */
const lookUp = (l: Lowering, mask: string, padding: number, token: number): string =>
  l.node("Gather", [l.constant(Float32Array.of(padding, token), [2]), mask], { axis: 0 });

const ints = (l: Lowering, ...values: bigint[]): string => l.constant(BigInt64Array.from(values), [values.length]);
const scalar = (l: Lowering, value: number): string => l.constant(Float32Array.of(value), []);

/** A mask of tokens [L] (1: a token, 0: padding) -> what to add to attention scores, so that padding gets no weight. */
export const maskBiasOperator: Operator = {
  name: "maskBias",
  integerInputs: [0],
  infer(site) {
    const [mask] = site.inputs;
    expectShape(mask?.dims.length === 1, "maskBias", "a mask of tokens", site);
    return { dims: [1, 1, mask?.dims[0] ?? 0] };
  },
  flops: () => 0,
  lower(l) {
    return l.node("Unsqueeze", [lookUp(l, l.inputNames[0] ?? "", LOWEST, 0), ints(l, 1n, 2n)]);
  },
};

/** Of tokens [L, C] and a mask [L]. */
function inferPooled(name: string, site: OperatorSite): { dims: number[] } {
  const [x, mask] = site.inputs;
  expectShape(
    x?.dims.length === 2 && mask?.dims.length === 1 && mask.dims[0] === x.dims[0],
    name,
    "tokens and their mask",
    site,
  );
  return { dims: [x?.dims[1] ?? 0] };
}

/** Mean over the tokens that are not padding: [L, C], [L] -> [C]. */
export const meanMaskedOperator: Operator = {
  name: "meanMasked",
  integerInputs: [1],
  infer: (site) => inferPooled("meanMasked", site),
  flops: (site) => 2 * elementCount(site.inputs[0]?.dims ?? []),
  lower: (l) => l.exactly(() => lowerMean(l)), // the sum of many tokens loses its small terms in float16
};

function lowerMean(l: Lowering): string {
  const [x = "", mask = ""] = l.inputNames;
  const weights = l.node("Unsqueeze", [lookUp(l, mask, 0, 1), ints(l, 2n)]);
  const sum = l.node("ReduceSum", [l.node("Mul", [x, weights]), ints(l, 1n)], { keepdims: 0 });
  const count = l.node("ReduceSum", [weights, ints(l, 1n)], { keepdims: 0 });
  return l.node("Div", [sum, l.node("Max", [count, scalar(l, LEAST_TOKENS)])]);
}

/** Maximum over the tokens that are not padding: [L, C], [L] -> [C]. */
export const maxMaskedOperator: Operator = {
  name: "maxMasked",
  integerInputs: [1],
  infer: (site) => inferPooled("maxMasked", site),
  flops: (site) => elementCount(site.inputs[0]?.dims ?? []),
  lower(l) {
    const [x = "", mask = ""] = l.inputNames;
    const bias = l.node("Unsqueeze", [lookUp(l, mask, LOWEST, 0), ints(l, 2n)]);
    return l.node("ReduceMax", [l.node("Add", [x, bias]), ints(l, 1n)], { keepdims: 0 });
  },
};

export const maskBias = (g: Ops, mask: Value<2>): Value<4> => g.apply<4>(maskBiasOperator, [mask]);

export const meanMasked = (g: Ops, x: Value<3>, mask: Value<2>): Value<2> => g.apply<2>(meanMaskedOperator, [x, mask]);

export const maxMasked = (g: Ops, x: Value<3>, mask: Value<2>): Value<2> => g.apply<2>(maxMaskedOperator, [x, mask]);
