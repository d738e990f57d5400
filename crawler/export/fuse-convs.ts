import { elementCount, type BlockGraph, type GraphNode, type SlotShape, type TensorInfo } from "./graph.ts";
import { inferGraph } from "./infer-graph.ts";
import { readsWeights } from "./operators.ts";
import { MOST_MAP_CHANNELS } from "./operators/blocked-conv.ts";

/** The running statistics and affine map of a batch norm, by the slots that hold them. */
export interface FoldedNorm {
  readonly weight: number;
  readonly bias: number;
  readonly mean: number;
  readonly variance: number;
  readonly epsilon: number;
}

/** A convolution's weight, times what a norm behind it scales by, in onnxruntime's blocked layout. */
export interface BlockedWeight {
  readonly kind: "blockedWeight";
  readonly slot: number;
  readonly norm: FoldedNorm | null;
}

/** How the values of a slot follow from the stored ones. */
export type FusedSlot =
  /** As they are stored. */
  | { readonly kind: "stored"; readonly slot: number }
  | BlockedWeight
  /** What a norm multiplies each channel by. */
  | { readonly kind: "normScale"; readonly norm: FoldedNorm }
  /** A convolution's bias, with what the norm adds; zeros where there is neither. */
  | { readonly kind: "foldedBias"; readonly slot: number | null; readonly norm: FoldedNorm | null };

/** A block whose convolutions are fused with what follows them, and need no further optimisation. */
export interface FusedGraph {
  /** Like the stored graph, but with `blockedConv` and `matrixConv`. Its slots are filled as `slots` says. */
  readonly graph: BlockGraph;
  readonly slots: readonly FusedSlot[];
  /** What it puts out. */
  readonly output: TensorInfo;
}

/** Channels of a blocked convolution must be a multiple of this: the largest group of channels that onnxruntime has. */
const CHANNELS = 16;

/**
 * Largest output map, in pixels, that a convolution computes as a matrix product: its weights are used as they are stored.
 * The product is a third faster at 2 x 2, where the blocked layout works on padding, as fast at 4 x 4, and a tenth slower at
 * 7 x 7, which is less than laying out costs; at 14 x 14 a third slower (docs/performance.md).
 */
const MATRIX_PIXELS = 49;

/**
 * onnxruntime lays out the weights of convolutions when it opens a session, by way of several copies. For blocks of dense
 * convolutions that is not needed: those on small maps become matrix products, the others get weights that are laid out in
 * one pass, three times as fast (`layOutWeight`; docs/performance.md).
 * @param inputs of the block
 * @param hasBlocked whether this machine has the blocked layout
 * @param matrixPixels largest output map of matrix products
 * @returns null when a block has others, or operators whose weights must be known when the graph is written
 */
export function fuseConvs(
  graph: BlockGraph,
  inputs: readonly TensorInfo[],
  hasBlocked: boolean,
  matrixPixels = MATRIX_PIXELS,
): FusedGraph | null {
  if (readsWeights(graph)) return null;
  const { values, output } = inferGraph(graph, inputs);
  const forms = new Map<GraphNode, ConvForm>();
  for (const [index, node] of graph.nodes.entries()) {
    if (node.operator !== "conv") continue;
    const [, height = 0, width = 0] = values[graph.inputs.length + index]?.dims ?? [];
    const form = height * width <= matrixPixels ? "matrixConv" : "blockedConv";
    if (!canTake(form, node, graph.slots, hasBlocked)) return null;
    forms.set(node, form);
  }
  return { ...new Fusion(graph, forms).run(), output };
}

type ConvForm = "blockedConv" | "matrixConv";

function canTake(
  form: ConvForm,
  { slots, attributes }: GraphNode,
  shapes: readonly SlotShape[],
  hasBlocked: boolean,
): boolean {
  if (attributes["groups"] !== 1) return false;
  if (form === "matrixConv") return true;
  const [out = 0, channels = 0] = shapes[slots[0] ?? -1] ?? [];
  const takesInput = channels % CHANNELS === 0 || channels <= MOST_MAP_CHANNELS;
  return hasBlocked && out % CHANNELS === 0 && takesInput;
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
  readonly #forms: ReadonlyMap<GraphNode, ConvForm>;
  readonly #slots: FusedSlot[] = [];
  readonly #shapes: SlotShape[] = [];
  /** Of slots that other operators read: where they are now. */
  readonly #moved = new Map<number, number>();
  /** Values of the source graph -> values of the new one. */
  readonly #values: number[];

  constructor(graph: BlockGraph, forms: ReadonlyMap<GraphNode, ConvForm>) {
    this.#source = graph;
    this.#forms = forms;
    this.#values = graph.inputs.map((_name, index) => index);
    for (const value of [...graph.nodes.flatMap(({ inputs }) => inputs), graph.output]) {
      this.#uses.set(value, (this.#uses.get(value) ?? 0) + 1);
    }
  }

  run(): Omit<FusedGraph, "output"> {
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
    const [weight = -1, bias = null] = conv.slots;
    const folded = norm && normOf(norm);
    const shape = this.#source.slots[weight] ?? [];
    const [out = 0, channels = 0, ...kernel] = shape;
    const operator = this.#forms.get(conv) ?? "blockedConv";
    const isMatrix = operator === "matrixConv";
    const slots = [
      isMatrix
        ? this.#addSlot({ kind: "stored", slot: weight }, [out, channels * elementCount(kernel)])
        : this.#addSlot({ kind: "blockedWeight", slot: weight, norm: folded }, shape),
      this.#addSlot({ kind: "foldedBias", slot: bias, norm: folded }, [out]),
      ...(isMatrix && folded ? [this.#addSlot({ kind: "normScale", norm: folded }, [out])] : []),
    ];
    return this.#push({
      operator,
      inputs: [...conv.inputs, ...(sum === null ? [] : [sum])].map((value) => this.#valueOf(value)),
      slots,
      attributes: { ...conv.attributes, relu, ...(isMatrix && { kernel }) },
    });
  }

  #addNode(node: GraphNode): number {
    const slots = node.slots.map((slot) => {
      const place = this.#moved.get(slot) ?? this.#addSlot({ kind: "stored", slot }, this.#source.slots[slot] ?? []);
      this.#moved.set(slot, place);
      return place;
    });
    return this.#push({ ...node, inputs: node.inputs.map((value) => this.#valueOf(value)), slots });
  }

  #addSlot(slot: FusedSlot, shape: SlotShape): number {
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
