import { CONTRIB_DOMAIN, type OnnxModel, type OnnxNode } from "../../crawler/export/onnx-model.ts";

/** The names of the graphs that a matrix engine can run. */
export type ProxyGraph =
  | "multiply"
  | "multiplyTransposed"
  | "multiplyStacks"
  | "multiplyStacksTransposed"
  | "logistic"
  | "precondition"
  | "gram";

/** TensorProto.DataType of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
const FLOAT = 1;
const DOUBLE = 11;

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

function graph(graphName: string, inputs: Shapes, outputs: Shapes, nodes: readonly OnnxNode[]): OnnxModel {
  const values = (shapes: Shapes) =>
    Object.entries(shapes).map(([name, dims]) => ({ name, type: "float" as const, dims }));
  return { graphName, inputs: values(inputs), outputs: values(outputs), nodes, initializers: [] };
}

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

  /** Of q = gradient and of change: rest q + (q · image) scaled by `gain`, times the basis; see `top-subspace.ts`. */
  precondition: graph(
    "precondition",
    {
      gradient: ["s", "c", "p"],
      change: ["s", "c", "p"],
      image: ["s", "p", "k"],
      basis: ["s", "k", "p"],
      gain: ["s", "one", "k"],
      rest: ["s", "one", "p"],
    },
    { inverseGradient: ["s", "c", "p"], inverseChange: ["s", "c", "p"] },
    [
      node("Concat", ["gradient", "change"], "both", { axis: 1 }),
      node("MatMul", ["both", "image"], "inside"),
      node("Mul", ["inside", "gain"], "scaled"),
      node("MatMul", ["scaled", "basis"], "top"),
      node("Mul", ["both", "rest"], "bottom"),
      node("Add", ["top", "bottom"], "inverse"),
      node("Split", ["inverse"], ["inverseGradient", "inverseChange"], { axis: 1, num_outputs: 2 }),
    ],
  ),

  /** x xᵀ in float64, as the sum of two float32 matrices: inputs and outputs need no second type. */
  gram: graph("gram", { x: ["n", "d"] }, { high: ["n", "n"], low: ["n", "n"] }, [
    node("Cast", ["x"], "wide", { to: DOUBLE }),
    node("Transpose", ["wide"], "turned", { perm: [1, 0] }),
    node("MatMul", ["wide", "turned"], "product"),
    node("Cast", ["product"], "high", { to: FLOAT }),
    node("Cast", ["high"], "rounded", { to: DOUBLE }),
    node("Sub", ["product", "rounded"], "error"),
    node("Cast", ["error"], "low", { to: FLOAT }),
  ]),
};
