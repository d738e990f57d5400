import type { Attributes, Block, BlockGraph, GraphNode, TensorInfo, TensorRef } from "./graph.ts";
import { siteOf } from "./infer-graph.ts";
import type { Operator } from "./operator.ts";

/** A value inside a block. `Rank` counts the batch axis: 4 = feature maps, 3 = tokens, 2 = feature vectors. */
export interface Value<Rank extends number> {
  readonly id: number;
  readonly info: TensorInfo;
  /** Only a type: keeps a value of one rank from being taken for another. */
  readonly rank: Rank;
}

/**
 * A block's graph while it is built. The functions beside the operators (`conv`, `batchNorm`, …) add to it: wrong ranks
 * don't compile, shapes follow from the weights' shapes, and wrong ones throw `ShapeError`.
 */
export class Ops {
  readonly #inputNames: readonly string[];
  readonly #nodes: GraphNode[] = [];
  readonly #values: TensorInfo[];
  readonly #tensors: TensorRef[] = [];
  readonly #slotOf = new Map<string, number>();

  /** @param inputs name and shape of each input; the first is the chain's value */
  constructor(inputs: readonly (readonly [name: string, info: TensorInfo])[]) {
    this.#inputNames = inputs.map(([name]) => name);
    this.#values = inputs.map(([, info]) => info);
  }

  /**
   * Adds an operator.
   * @param tensors what fills its slots, in the operator's order; a tensor that is used twice takes one slot
   * @throws ShapeError when shapes don't fit
   */
  apply<R extends number>(
    operator: Operator,
    inputs: readonly Value<number>[],
    tensors: readonly TensorRef[] = [],
    attributes: Attributes = {},
  ): Value<R> {
    const node: GraphNode = {
      operator: operator.name,
      inputs: inputs.map((value) => value.id),
      slots: tensors.map((tensor) => this.#slot(tensor)),
      attributes,
    };
    const slots = this.#tensors.map((tensor) => tensor.shape);
    const info = operator.infer(siteOf(node, this.#values, slots));
    this.#nodes.push(node);
    const id = this.#values.push(info) - 1;
    return { id, info, rank: (info.dims.length + 1) as R };
  }

  /** The graph that ends in `output`, and the tensors that fill its slots. */
  finish(name: string, output: Value<number>): Block {
    const graph: BlockGraph = {
      inputs: this.#inputNames,
      slots: this.#tensors.map((tensor) => tensor.shape),
      nodes: this.#nodes,
      output: output.id,
    };
    return { name, graph, tensors: this.#tensors };
  }

  #slot(tensor: TensorRef): number {
    const key = JSON.stringify([tensor.name, tensor.offset ?? 0, tensor.shape]);
    const known = this.#slotOf.get(key);
    if (known !== undefined) return known;
    const slot = this.#tensors.push(tensor) - 1;
    this.#slotOf.set(key, slot);
    return slot;
  }
}
