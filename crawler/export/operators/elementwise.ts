import { elementCount, type TensorInfo } from "../graph.ts";
import type { Operator, OperatorSite } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { expectShape } from "./shapes.ts";

const same = ({ inputs }: OperatorSite): TensorInfo => inputs[0] ?? { dims: [] };

/** An operator on each element, written as one ONNX node of the same meaning. */
const unary = (name: string, opType: string): Operator => ({
  name,
  infer: same,
  flops: (_site, output) => elementCount(output.dims),
  lower: (l) => l.node(opType, l.inputNames),
});

export const reluOperator = unary("relu", "Relu");

/** Sum of two values of one shape. */
export const addOperator: Operator = {
  name: "add",
  infer(site) {
    const [a, b] = site.inputs;
    expectShape(
      a !== undefined && b !== undefined && a.dims.length === b.dims.length && a.dims.every((d, i) => d === b.dims[i]),
      "add",
      "two values of one shape",
      site,
    );
    return same(site);
  },
  flops: (_site, output) => elementCount(output.dims),
  lower: (l) => l.node("Add", l.inputNames),
};

export const relu = <R extends number>(g: Ops, x: Value<R>): Value<R> => g.apply<R>(reluOperator, [x]);

export const add = <R extends number>(g: Ops, a: Value<R>, b: Value<R>): Value<R> => g.apply<R>(addOperator, [a, b]);
