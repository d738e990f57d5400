import type { OnnxModel, OnnxNode } from "../../crawler/export/onnx-model.ts";

/** The names of the graphs that a matrix engine can run. */
export type ProxyGraph = "multiply" | "multiplyTransposed" | "logistic" | "precondition" | "gram";

/** TensorProto.DataType of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
const FLOAT = 1;
const DOUBLE = 11;

type Attributes = OnnxNode["attributes"];
type Shapes = Readonly<Record<string, readonly [rows: string, cols: string]>>;

const node = (opType: string, inputs: readonly string[], output: string, attributes: Attributes = {}): OnnxNode => ({
  opType,
  name: output,
  inputs,
  outputs: [output],
  attributes,
});

function graph(graphName: string, inputs: Shapes, outputs: Shapes, nodes: readonly OnnxNode[]): OnnxModel {
  const values = (shapes: Shapes) =>
    Object.entries(shapes).map(([name, dims]) => ({ name, type: "float" as const, dims }));
  return { graphName, inputs: values(inputs), outputs: values(outputs), nodes, initializers: [] };
}

/** All shapes are symbolic, so one session serves every size. All values are rank 2. */
export const PROXY_GRAPHS: Readonly<Record<ProxyGraph, OnnxModel>> = {
  multiply: graph("multiply", { a: ["m", "k"], b: ["k", "n"] }, { c: ["m", "n"] }, [node("MatMul", ["a", "b"], "c")]),

  multiplyTransposed: graph("multiplyTransposed", { a: ["m", "k"], b: ["n", "k"] }, { c: ["m", "n"] }, [
    node("Gemm", ["a", "b"], "c", { transB: 1 }),
  ]),

  /**
   * One evaluation of the multinomial logistic loss at `w`, with `x` [p, n] holding an item per column (or the Gram
   * matrix of the items, p = n). `y` is one-hot.
   */
  logistic: graph(
    "logistic",
    { x: ["p", "n"], w: ["c", "p"], bias: ["one", "c"], y: ["n", "c"] },
    { wx: ["c", "n"], logProbabilities: ["n", "c"], residuals: ["n", "c"], xr: ["c", "p"] },
    [
      node("MatMul", ["w", "x"], "wx"),
      node("Transpose", ["wx"], "xw", { perm: [1, 0] }),
      node("Add", ["xw", "bias"], "logits"),
      node("LogSoftmax", ["logits"], "logProbabilities", { axis: 1 }),
      node("Exp", ["logProbabilities"], "probabilities"),
      node("Sub", ["probabilities", "y"], "residuals"),
      node("MatMul", ["x", "residuals"], "rx"),
      node("Transpose", ["rx"], "xr", { perm: [1, 0] }),
    ],
  ),

  /** q / mu + (q · image) scaled by `gain`, times the basis; see `top-subspace.ts`. */
  precondition: graph(
    "precondition",
    { q: ["c", "p"], image: ["p", "k"], basis: ["k", "p"], gain: ["one", "k"], rest: ["one", "one2"] },
    { r: ["c", "p"] },
    [
      node("MatMul", ["q", "image"], "inside"),
      node("Mul", ["inside", "gain"], "scaled"),
      node("MatMul", ["scaled", "basis"], "top"),
      node("Mul", ["q", "rest"], "bottom"),
      node("Add", ["top", "bottom"], "r"),
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
