import {
  CONTRIB_DOMAIN,
  DATA_TYPES,
  type OnnxElementType,
  type OnnxModel,
  type OnnxNode,
} from "../../crawler/export/onnx-model.ts";

/** The names of the graphs that a matrix engine can run. */
export type ProxyGraph =
  | "multiply"
  | "multiplyTransposed"
  | "multiplyStacks"
  | "multiplyStacksTransposed"
  | "standardizeColumns"
  | "standardizeGram"
  | "logistic"
  | "precondition"
  | "gram";

type Attributes = OnnxNode["attributes"];
/** Symbolic dimensions of values by their names. */
type Shapes = Readonly<Record<string, readonly string[]>>;

const node = (
  opType: string,
  inputs: readonly string[],
  outputs: string | readonly string[],
  attributes: Attributes = {},
  domain?: string,
): OnnxNode => {
  const names = typeof outputs === "string" ? [outputs] : outputs;
  return { opType, name: names.join(), inputs, outputs: names, attributes, domain };
};

/** @param doubles outputs in float64, in which nothing else is */
function graph(
  graphName: string,
  inputs: Shapes,
  outputs: Shapes,
  nodes: readonly OnnxNode[],
  doubles: Shapes = {},
): OnnxModel {
  const values = (shapes: Shapes, type: OnnxElementType) =>
    Object.entries(shapes).map(([name, dims]) => ({ name, type, dims }));
  const all = [...values(outputs, "float"), ...values(doubles, "double")];
  return { graphName, inputs: values(inputs, "float"), outputs: all, nodes, initializers: [] };
}

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

/** All shapes are symbolic, so one session serves every size. */
export const PROXY_GRAPHS: Readonly<Record<ProxyGraph, OnnxModel>> = {
  multiply: graph("multiply", { a: ["m", "k"], b: ["k", "n"] }, { c: ["m", "n"] }, [node("MatMul", ["a", "b"], "c")]),

  multiplyTransposed: graph("multiplyTransposed", { a: ["m", "k"], b: ["n", "k"] }, { c: ["m", "n"] }, [
    node("Gemm", ["a", "b"], "c", { transB: 1 }),
  ]),

  multiplyStacks: graph("multiplyStacks", { a: ["s", "m", "k"], b: ["s", "k", "n"] }, { c: ["s", "m", "n"] }, [
    node("MatMul", ["a", "b"], "c"),
  ]),

  multiplyStacksTransposed: graph(
    "multiplyStacksTransposed",
    { a: ["s", "m", "k"], b: ["s", "n", "k"] },
    { c: ["s", "m", "n"] },
    [node("FusedMatMul", ["a", "b"], "c", { transB: 1 }, CONTRIB_DOMAIN)],
  ),

  /** What `standardize` says, the other way round and with ones: `columns` [s, d + 1, n]. */
  standardizeColumns: graph(
    "standardizeColumns",
    STANDARDIZE_INPUTS,
    { columns: ["s", "p", "n"] },
    [...standardize, node("Transpose", ["z"], "turned", { perm: [0, 2, 1] }), ...withOnes("turned", "columns")],
    MOMENTS,
  ),

  /** What `standardize` says, and Gram matrices with ones: `grams` [s, n + 1, n]. */
  standardizeGram: graph(
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

  /**
   * The multinomial logistic loss of s problems that have the labels in common, at `w`, without its sums: `x` [s, p, n] holds
   * an item (or a column of the items' Gram matrix) per column and ends in a row of ones, whose weights are the intercepts.
   * `y` is one-hot.
   */
  logistic: graph(
    "logistic",
    { x: ["s", "p", "n"], w: ["s", "c", "p"], y: ["n", "c"] },
    { wx: ["s", "c", "n"], logProbabilities: ["s", "n", "c"], residuals: ["s", "n", "c"], xr: ["s", "p", "c"] },
    [
      node("MatMul", ["w", "x"], "wx"),
      node("Transpose", ["wx"], "logits", { perm: [0, 2, 1] }),
      node("LogSoftmax", ["logits"], "logProbabilities", { axis: 2 }),
      node("Exp", ["logProbabilities"], "probabilities"),
      node("Sub", ["probabilities", "y"], "residuals"),
      node("MatMul", ["x", "residuals"], "xr"),
    ],
  ),

  /**
   * Of q = gradient and of change: rest q + ((q · image) (factorᵀ factor - drop)) basis; see `top-subspace.ts`.
   */
  precondition: graph(
    "precondition",
    {
      gradient: ["s", "c", "p"],
      change: ["s", "c", "p"],
      image: ["s", "p", "k"],
      basis: ["s", "k", "p"],
      factor: ["s", "k", "k"],
      drop: ["s", "one", "one"],
      rest: ["s", "one", "p"],
    },
    { inverseGradient: ["s", "c", "p"], inverseChange: ["s", "c", "p"] },
    [
      node("Concat", ["gradient", "change"], "both", { axis: 1 }),
      node("MatMul", ["both", "image"], "inside"),
      node("FusedMatMul", ["inside", "factor"], "half", { transB: 1 }, CONTRIB_DOMAIN),
      node("MatMul", ["half", "factor"], "whole"),
      node("Mul", ["inside", "drop"], "dropped"),
      node("Sub", ["whole", "dropped"], "scaled"),
      node("MatMul", ["scaled", "basis"], "top"),
      node("Mul", ["both", "rest"], "bottom"),
      node("Add", ["top", "bottom"], "inverse"),
      node("Split", ["inverse"], ["inverseGradient", "inverseChange"], { axis: 1, num_outputs: 2 }),
    ],
  ),

  /** x xᵀ in float64, as the sum of two float32 matrices: inputs and outputs need no second type. */
  gram: graph("gram", { x: ["n", "d"] }, { high: ["n", "n"], low: ["n", "n"] }, [
    node("Cast", ["x"], "wide", { to: DATA_TYPES.double }),
    node("Transpose", ["wide"], "turned", { perm: [1, 0] }),
    node("MatMul", ["wide", "turned"], "product"),
    node("Cast", ["product"], "high", { to: DATA_TYPES.float }),
    node("Cast", ["high"], "rounded", { to: DATA_TYPES.double }),
    node("Sub", ["product", "rounded"], "error"),
    node("Cast", ["error"], "low", { to: DATA_TYPES.float }),
  ]),
};
