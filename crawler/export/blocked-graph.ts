import type { BlockGraph, GraphNode, SlotShape } from "./graph.ts";
import { getOperator } from "./operators.ts";

/** The running statistics and affine map of a batch norm, by the slots that hold them. */
export interface FoldedNorm {
  readonly weight: number;
  readonly bias: number;
  readonly mean: number;
  readonly variance: number;
  readonly epsilon: number;
}

/** How the values of a slot follow from the stored ones. */
export type PreparedSlot =
  | { readonly kind: "copy"; readonly slot: number }
  /** A convolution's weight, times what a norm behind it scales by, in onnxruntime's blocked layout. */
  | { readonly kind: "blockedWeight"; readonly slot: number; readonly norm: FoldedNorm | null }
  /** Its bias, with what the norm adds; zeros where there is neither. */
  | { readonly kind: "foldedBias"; readonly slot: number | null; readonly norm: FoldedNorm | null };

/** A block whose convolutions run on onnxruntime's blocked layout, with weights that are laid out for it beforehand. */
export interface BlockedGraph {
  /** Like the stored graph, but convolutions are fused with what follows them. Its slots are the prepared ones. */
  readonly graph: BlockGraph;
  readonly slots: readonly PreparedSlot[];
}

/** Channels of a convolution must be a multiple of this: the largest group of channels that onnxruntime has. */
const CHANNELS = 16;

/**
 * onnxruntime lays out the weights of convolutions when it opens a session, by way of several copies. `prepareSlot` does it
 * in one pass over the stored values, three times as fast (docs/performance.md), for blocks of dense convolutions.
 * @returns null when a block has others, or operators whose weights must be known when the graph is written
 */
export function blockGraph(graph: BlockGraph): BlockedGraph | null {
  if (!canBlock(graph)) return null;
  return new Fusion(graph).run();
}

/** Whether `blockGraph` can. */
export const canBlock = (graph: BlockGraph): boolean =>
  graph.nodes.every((node) =>
    node.operator === "conv" ? isDense(node, graph.slots) : getOperator(node.operator).readsWeights !== true,
  );

function isDense({ slots, attributes }: GraphNode, shapes: readonly SlotShape[]): boolean {
  const [out = 0, channels = 0] = shapes[slots[0] ?? -1] ?? [];
  return attributes["groups"] === 1 && out % CHANNELS === 0 && channels % CHANNELS === 0;
}

/** A convolution and the nodes behind it that go with it. */
interface Chain {
  readonly conv: GraphNode;
  readonly norm: GraphNode | null;
  /** The other value of an addition. */
  readonly sum: number | null;
  readonly relu: boolean;
}

class Fusion {
  readonly #source: BlockGraph;
  readonly #uses = new Map<number, number>();
  readonly #nodes: GraphNode[] = [];
  readonly #slots: PreparedSlot[] = [];
  readonly #shapes: SlotShape[] = [];
  /** Of copied slots: where they are now. */
  readonly #copied = new Map<number, number>();
  /** Values of the source graph -> values of the new one. */
  readonly #values: number[];

  constructor(graph: BlockGraph) {
    this.#source = graph;
    this.#values = graph.inputs.map((_name, index) => index);
    for (const value of [...graph.nodes.flatMap(({ inputs }) => inputs), graph.output]) {
      this.#uses.set(value, (this.#uses.get(value) ?? 0) + 1);
    }
  }

  run(): BlockedGraph {
    const { inputs, nodes, output } = this.#source;
    const chains = this.#findChains();
    nodes.forEach((node, index) => {
      const value = inputs.length + index;
      const chain = chains.get(value);
      if (chain === "inside") return;
      this.#values[value] = chain ? this.#addConv(chain) : this.#addNode(node);
    });
    const graph = { inputs, slots: this.#shapes, nodes: this.#nodes, output: this.#valueOf(output) };
    return { graph, slots: this.#slots };
  }

  /** By the value that a chain ends in; "inside" for the values before it. */
  #findChains(): Map<number, Chain | "inside"> {
    const { inputs, nodes } = this.#source;
    const found = new Map<number, Chain | "inside">();
    nodes.forEach((conv, index) => {
      if (conv.operator !== "conv") return;
      let last = inputs.length + index;
      const next = (operator: string): GraphNode | null => {
        const consumer = this.#uses.get(last) === 1 ? nodes.findIndex(({ inputs: from }) => from.includes(last)) : -1;
        const node = nodes[consumer];
        if (node?.operator !== operator || found.has(inputs.length + consumer)) return null;
        found.set(last, "inside");
        last = inputs.length + consumer;
        return node;
      };
      const norm = next("batchNorm");
      const before = last;
      const added = next("add");
      const sum = added?.inputs.find((value) => value !== before) ?? null;
      const relu = next("relu") !== null;
      found.set(last, { conv, norm, sum, relu });
    });
    return found;
  }

  #addConv({ conv, norm, sum, relu }: Chain): number {
    const [weight = -1, bias] = conv.slots;
    const folded = norm && normOf(norm);
    const shape = this.#source.slots[weight] ?? [];
    const slots = [
      this.#addSlot({ kind: "blockedWeight", slot: weight, norm: folded }, shape),
      this.#addSlot({ kind: "foldedBias", slot: bias ?? null, norm: folded }, shape.slice(0, 1)),
    ];
    return this.#push({
      operator: "blockedConv",
      inputs: [...conv.inputs, ...(sum === null ? [] : [sum])].map((value) => this.#valueOf(value)),
      slots,
      attributes: { ...conv.attributes, relu },
    });
  }

  #addNode(node: GraphNode): number {
    const slots = node.slots.map((slot) => {
      const place = this.#copied.get(slot) ?? this.#addSlot({ kind: "copy", slot }, this.#source.slots[slot] ?? []);
      this.#copied.set(slot, place);
      return place;
    });
    return this.#push({ ...node, inputs: node.inputs.map((value) => this.#valueOf(value)), slots });
  }

  #addSlot(slot: PreparedSlot, shape: SlotShape): number {
    this.#shapes.push(shape);
    return this.#slots.push(slot) - 1;
  }

  #push(node: GraphNode): number {
    return this.#source.inputs.length + this.#nodes.push(node) - 1;
  }

  #valueOf(value: number): number {
    const place = this.#values[value];
    if (place === undefined) throw new Error(`value ${value} is read before it is computed`);
    return place;
  }
}

function normOf({ slots, attributes }: GraphNode): FoldedNorm {
  const [weight = -1, bias = -1, mean = -1, variance = -1] = slots;
  return { weight, bias, mean, variance, epsilon: Number(attributes["epsilon"]) };
}
