import type { BlockGraph, TensorInfo } from "./graph.ts";
import { furtherInput } from "./infer-graph.ts";
import { openDims } from "./open-dims.ts";
import { getOperator } from "./operators.ts";
import type { ChainInput } from "./write-onnx.ts";

/** Name of the dimension that all inputs of a text model share. */
const TOKENS = "tokens";

/**
 * Inputs of a file that holds a run of a chain's blocks: `x`, the value before the first of them, and by their own names
 * the further inputs of the chain that they read (`attention_mask`, …). Types follow from what the graphs do with them.
 * @param x shape of the value before the first block
 */
export function fileInputs(graphs: readonly BlockGraph[], x: TensorInfo): ChainInput[] {
  const [first] = graphs;
  const readsIds = first !== undefined && readsIntegers(first, 0);
  const dims = readsIds ? [TOKENS] : openDims(x);
  const chainValue: ChainInput = {
    value: { name: "x", type: readsIds ? "int64" : "float", dims: ["batch", ...dims] },
    info: x,
  };
  const names = new Set(graphs.flatMap((graph) => graph.inputs.slice(1)));
  const further = [...names].map((name): ChainInput => {
    const isInteger = graphs.some((graph) => readsIntegers(graph, graph.inputs.indexOf(name)));
    return { value: { name, type: isInteger ? "int64" : "float", dims: ["batch", TOKENS] }, info: furtherInput(x) };
  });
  return [chainValue, ...further];
}

/** Whether a graph's input goes into an operator that takes whole numbers. */
function readsIntegers(graph: BlockGraph, input: number): boolean {
  return graph.nodes.some(({ operator, inputs }) =>
    inputs.some((value, position) => value === input && getOperator(operator).integerInputs?.includes(position)),
  );
}
