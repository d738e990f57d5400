import { elementCount, type TensorInfo } from "../graph.ts";
import type { Lowering, Operator, OperatorSite } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { expectShape } from "./shapes.ts";

const same = ({ inputs }: OperatorSite): TensorInfo => inputs[0] ?? { dims: [] };

/** An operator on each element: one ONNX node of the same meaning, or several. */
export const unary = (name: string, lower: string | ((l: Lowering) => string)): Operator => ({
  name,
  infer: same,
  flops: (_site, output) => elementCount(output.dims),
  lower: typeof lower === "string" ? (l) => l.node(lower, l.inputNames) : lower,
});

export const reluOperator = unary("relu", "Relu");

/** An operator on the elements of two values of one shape. */
const binary = (name: string, opType: string): Operator => ({
  name,
  infer(site) {
    const [a, b] = site.inputs;
    expectShape(
      a !== undefined && b !== undefined && a.dims.length === b.dims.length && a.dims.every((d, i) => d === b.dims[i]),
      name,
      "two values of one shape",
      site,
    );
    return same(site);
  },
  flops: (_site, output) => elementCount(output.dims),
  lower: (l) => l.node(opType, l.inputNames),
});

export const addOperator = binary("add", "Add");
export const multiplyOperator = binary("multiply", "Mul");

export const relu = <R extends number>(g: Ops, x: Value<R>): Value<R> => g.apply<R>(reluOperator, [x]);

export const add = <R extends number>(g: Ops, a: Value<R>, b: Value<R>): Value<R> => g.apply<R>(addOperator, [a, b]);

/** Element by element: a gate. */
export const multiply = <R extends number>(g: Ops, a: Value<R>, b: Value<R>): Value<R> =>
  g.apply<R>(multiplyOperator, [a, b]);
