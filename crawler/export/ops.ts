import type { Attributes, Block, BlockGraph, GraphNode, TensorInfo, TensorRef } from "./graph.ts";
import { siteOf } from "./infer-graph.ts";
import { getOperator } from "./operators.ts";
import type { Params } from "./params.ts";

/** A value inside a block. `Rank` counts the batch axis: 4 = feature maps, 3 = tokens, 2 = feature vectors. */
export interface Value<Rank extends number> {
  readonly id: number;
  readonly info: TensorInfo;
  /** Only a type: keeps a value of one rank from being taken for another. */
  readonly rank: Rank;
}

interface ConvOptions {
  readonly stride?: number;
  /** Default: half the kernel, which keeps the size at stride 1. */
  readonly padding?: number;
  readonly dilation?: number;
  readonly groups?: number;
}

/**
 * Builds a block's graph. Each method adds an operator and returns its value, whose shape follows from the weights'
 * shapes; wrong ranks don't compile, wrong shapes throw `ShapeError`.
 */
export class Ops {
  readonly #inputs: TensorInfo[];
  readonly #inputNames: string[];
  readonly #nodes: GraphNode[] = [];
  readonly #values: TensorInfo[];
  readonly #tensors: TensorRef[] = [];
  readonly #slotOf = new Map<string, number>();

  /** @param inputs name and shape of each input; the first is the chain's value */
  constructor(inputs: readonly (readonly [name: string, info: TensorInfo])[]) {
    this.#inputNames = inputs.map(([name]) => name);
    this.#inputs = inputs.map(([, info]) => info);
    this.#values = [...this.#inputs];
  }

  /** Convolution of `p`'s weight, and bias where there is one. */
  conv(x: Value<4>, p: Params, { stride = 1, padding, dilation = 1, groups = 1 }: ConvOptions = {}): Value<4> {
    const weight = p.tensor("weight", 4);
    const tensors = p.has("bias") ? [weight, p.tensor("bias", 1)] : [weight];
    const half = Math.floor(((weight.shape[2] ?? 1) - 1) / 2) * dilation;
    return this.#add<4>("conv", [x], tensors, { stride, padding: padding ?? half, dilation, groups });
  }

  /** Batch norm by the running statistics, frozen or not. */
  batchNorm(x: Value<4>, p: Params, epsilon = 1e-5): Value<4> {
    const tensors = ["weight", "bias", "running_mean", "running_var"].map((name) => p.tensor(name, 1));
    return this.#add<4>("batchNorm", [x], tensors, { epsilon });
  }

  relu<R extends number>(x: Value<R>): Value<R> {
    return this.#add<R>("relu", [x], [], {});
  }

  add<R extends number>(a: Value<R>, b: Value<R>): Value<R> {
    return this.#add<R>("add", [a, b], [], {});
  }

  maxPool(x: Value<4>, kernel: number, stride: number, padding: number): Value<4> {
    return this.#add<4>("maxPool", [x], [], { kernel, stride, padding });
  }

  globalAveragePool(x: Value<4>): Value<2> {
    return this.#add<2>("globalAveragePool", [x], [], {});
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

  #add<R extends number>(
    operator: string,
    inputs: readonly Value<number>[],
    tensors: readonly TensorRef[],
    attributes: Attributes,
  ): Value<R> {
    const node: GraphNode = {
      operator,
      inputs: inputs.map((value) => value.id),
      slots: tensors.map((tensor) => this.#slot(tensor)),
      attributes,
    };
    const slots = this.#tensors.map((tensor) => tensor.shape);
    const info = getOperator(operator).infer(siteOf(node, this.#values, slots));
    this.#nodes.push(node);
    const id = this.#values.push(info) - 1;
    return { id, info, rank: (info.dims.length + 1) as R };
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
