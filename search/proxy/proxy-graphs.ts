import { CONTRIB_DOMAIN, DATA_TYPES, type OnnxModel, type OnnxNode } from "../../crawler/export/onnx-model.ts";
import { graphOf } from "./graph-writer.ts";
import { minimizeGraph } from "./minimize-graph.ts";

/** The names of the graphs that a matrix engine can run. */
export type ProxyGraph =
  | "multiply"
  | "multiplyTransposed"
  | "multiplyStacks"
  | "multiplyStacksTransposed"
  | "standardizeColumns"
  | "standardizeGram"
  | "minimizeFeatures"
  | "minimizeGram"
  | "gram";

const node = (
  opType: string,
  inputs: readonly string[],
  outputs: string | readonly string[],
  attributes: OnnxNode["attributes"] = {},
  domain?: string,
): OnnxNode => {
  const names = typeof outputs === "string" ? [outputs] : outputs;
  return { opType, name: names.join(), inputs, outputs: names, attributes, domain };
};

const constant = (name: string, value: number): OnnxNode =>
  node("Constant", [], name, { value_float: { float: value } });

/** In float64, of a value that float32 has exactly. */
const doubleConstant = (name: string, value: number): OnnxNode[] => [
  constant(`float/${name}`, value),
  node("Cast", [`float/${name}`], name, { to: DATA_TYPES.double }),
];

/**
 * `z` [s, n, d], the features `x` of s models standardised in float64, and `mean` and `scale`: as `fitStandardizer`.
 * `ones` [1, n] sums items in the same order for one model and for many.
 */
const standardize: readonly OnnxNode[] = [
  node("Cast", ["x"], "wide", { to: DATA_TYPES.double }),
  node("Cast", ["ones"], "each", { to: DATA_TYPES.double }),
  node("ReduceSum", ["each"], "items", { keepdims: 1 }),
  node("MatMul", ["each", "wide"], "sum"),
  node("Div", ["sum", "items"], "mean"),
  node("Sub", ["wide", "mean"], "centred"),
  node("Mul", ["centred", "centred"], "squares"),
  node("MatMul", ["each", "squares"], "energy"),
  node("Div", ["energy", "items"], "variance"),
  // a column that is constant up to rounding keeps its size
  ...doubleConstant("epsilon", Number.EPSILON),
  node("Mul", ["items", "epsilon"], "rounding"),
  node("Mul", ["variance", "rounding"], "rounding/variance"),
  node("Mul", ["mean", "rounding"], "rounding/mean"),
  node("Mul", ["rounding/mean", "rounding/mean"], "rounding/squared"),
  node("Add", ["rounding/variance", "rounding/squared"], "bound"),
  node("LessOrEqual", ["variance", "bound"], "isConstant"),
  ...doubleConstant("one", 1),
  node("Sqrt", ["variance"], "deviation"),
  node("Where", ["isConstant", "one", "deviation"], "scale"),
  node("Div", ["centred", "scale"], "standardized"),
  node("Cast", ["standardized"], "z", { to: DATA_TYPES.float }),
];
const STANDARDIZE_INPUTS = { x: ["s", "n", "d"], ones: ["one", "n"] };
const MOMENTS = { mean: ["s", "one", "d"], scale: ["s", "one", "d"] };

/** Rows with a row of ones below them. */
const withOnes = (from: string, to: string): OnnxNode[] => [
  node("Constant", [], `${to}/pads`, { value_ints: [0, 0, 0, 0, 1, 0] }),
  constant(`${to}/one`, 1),
  node("Pad", [from, `${to}/pads`, `${to}/one`], to),
];

/** Each writes its graph. All shapes are symbolic, so one session serves every size. */
export const PROXY_GRAPHS: Readonly<Record<ProxyGraph, () => OnnxModel>> = {
  multiply: () =>
    graphOf("multiply", { a: ["m", "k"], b: ["k", "n"] }, { c: ["m", "n"] }, [node("MatMul", ["a", "b"], "c")]),

  multiplyTransposed: () =>
    graphOf("multiplyTransposed", { a: ["m", "k"], b: ["n", "k"] }, { c: ["m", "n"] }, [
      node("Gemm", ["a", "b"], "c", { transB: 1 }),
    ]),

  multiplyStacks: () =>
    graphOf("multiplyStacks", { a: ["s", "m", "k"], b: ["s", "k", "n"] }, { c: ["s", "m", "n"] }, [
      node("MatMul", ["a", "b"], "c"),
    ]),

  multiplyStacksTransposed: () =>
    graphOf("multiplyStacksTransposed", { a: ["s", "m", "k"], b: ["s", "n", "k"] }, { c: ["s", "m", "n"] }, [
      node("FusedMatMul", ["a", "b"], "c", { transB: 1 }, CONTRIB_DOMAIN),
    ]),

  /** What `standardize` says, the other way round and with ones: `columns` [s, d + 1, n]. */
  standardizeColumns: () =>
    graphOf(
      "standardizeColumns",
      STANDARDIZE_INPUTS,
      { columns: ["s", "p", "n"] },
      [...standardize, node("Transpose", ["z"], "turned", { perm: [0, 2, 1] }), ...withOnes("turned", "columns")],
      MOMENTS,
    ),

  /** What `standardize` says, and Gram matrices with ones: `grams` [s, n + 1, n]. */
  standardizeGram: () =>
    graphOf(
      "standardizeGram",
      STANDARDIZE_INPUTS,
      { z: ["s", "n", "d"], grams: ["s", "p", "n"] },
      [
        ...standardize,
        node("FusedMatMul", ["z", "z"], "products", { transB: 1 }, CONTRIB_DOMAIN),
        ...withOnes("products", "grams"),
      ],
      MOMENTS,
    ),

  minimizeFeatures: () => minimizeGraph("features"),
  minimizeGram: () => minimizeGraph("gram"),

  /** x xᵀ in float64, as the sum of two float32 matrices: inputs and outputs need no second type. */
  gram: () =>
    graphOf("gram", { x: ["n", "d"] }, { high: ["n", "n"], low: ["n", "n"] }, [
      node("Cast", ["x"], "wide", { to: DATA_TYPES.double }),
      node("Transpose", ["wide"], "turned", { perm: [1, 0] }),
      node("MatMul", ["wide", "turned"], "product"),
      node("Cast", ["product"], "high", { to: DATA_TYPES.float }),
      node("Cast", ["high"], "rounded", { to: DATA_TYPES.double }),
      node("Sub", ["product", "rounded"], "error"),
      node("Cast", ["error"], "low", { to: DATA_TYPES.float }),
    ]),
};
