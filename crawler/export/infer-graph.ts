import type { BlockGraph, GraphNode, SlotShape, TensorInfo } from "./graph.ts";
import { getOperator } from "./operators.ts";
import type { OperatorSite } from "./operator.ts";

/** Shapes of every value of a graph for given inputs, and the work for one item. */
export interface InferredGraph {
  readonly values: readonly TensorInfo[];
  readonly output: TensorInfo;
  readonly flopsPerItem: number;
}

/**
 * Shape of a further input of a text model's chain (a mask): one value a token.
 * @param x shape of the chain's value: ids [L], or tokens [L, C]
 */
export const furtherInput = (x: TensorInfo | undefined): TensorInfo => ({ dims: x?.dims.slice(0, 1) ?? [] });

/**
 * Works out shapes and cost of a graph at a given input size; no weights are needed.
 * @param inputs one a graph input; dimensions without the batch axis. Further inputs of the chain may be left out: their
 * length is that of the first.
 * @throws ShapeError when the input does not fit
 */
export function inferGraph(graph: BlockGraph, inputs: readonly TensorInfo[]): InferredGraph {
  const values: TensorInfo[] = graph.inputs.map((_name, index) => inputs[index] ?? furtherInput(inputs[0]));
  let flopsPerItem = 0;
  for (const node of graph.nodes) {
    const operator = getOperator(node.operator);
    const site = siteOf(node, values, graph.slots);
    const output = operator.infer(site);
    flopsPerItem += operator.flops(site, output);
    values.push(output);
  }
  return { values, output: pick(values, graph.output), flopsPerItem };
}

/** What a node's operator is told of its place. */
export function siteOf(node: GraphNode, values: readonly TensorInfo[], slots: readonly SlotShape[]): OperatorSite {
  return {
    inputs: node.inputs.map((value) => pick(values, value)),
    slots: node.slots.map((slot) => pick(slots, slot)),
    attributes: node.attributes,
  };
}

function pick<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError(`a graph refers to item ${index} of ${list.length}`);
  return item;
}

/** The slots that are weights of a normalisation. */
export function normalisationSlots(graph: BlockGraph): ReadonlySet<number> {
  return new Set(graph.nodes.filter((node) => getOperator(node.operator).normalises).flatMap((node) => node.slots));
}
