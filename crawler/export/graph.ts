/**
 * The graph of a block: what it computes, without weights and without sizes of its input, so that one block at two
 * picture sizes is one block. Plain JSON-safe data; its canonical JSON is what `graphHash` hashes.
 */
export interface BlockGraph {
  /** Value 0 is the chain's value; further inputs of the chain (an attention mask) follow by name. */
  readonly inputs: readonly string[];
  /** The weights in a fixed order: the order in which the block first reads them. */
  readonly slots: readonly SlotShape[];
  /** In order of execution; node i makes value `inputs.length + i`. */
  readonly nodes: readonly GraphNode[];
  /** The value that the block puts out. */
  readonly output: number;
}

export type SlotShape = readonly number[];

export type AttributeValue = number | string | boolean | readonly number[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface GraphNode {
  /** Name of an operator in `operators.ts`. */
  readonly operator: string;
  readonly inputs: readonly number[];
  readonly slots: readonly number[];
  readonly attributes: Attributes;
}

/** What is known of a value: its dimensions without the batch axis, which always comes first. */
export interface TensorInfo {
  readonly dims: readonly number[];
  /** For tokens of a picture: rows and columns of patches, which `dims` alone cannot tell. */
  readonly grid?: readonly [rows: number, columns: number];
}

/** A tensor of the checkpoint that fills a slot, whole or rows of it (a fused query-key-value matrix). */
export interface TensorRef {
  readonly name: string;
  /** Shape of what fills the slot. */
  readonly shape: SlotShape;
  /** First element of the tensor, where the slot takes a part of it. */
  readonly offset?: number;
}

/** One natural unit of a backbone: a graph, and the checkpoint's tensors that fill its slots. */
export interface Block {
  readonly name: string;
  readonly graph: BlockGraph;
  readonly tensors: readonly TensorRef[];
}

/**
 * The input of a backbone: pictures [batch, channels, height, width], or token ids [batch, length] and further inputs of
 * the same shape, filled up with `padId` behind the text.
 */
export type ModelInput =
  | { readonly kind: "image"; readonly channels: number; readonly height: number; readonly width: number }
  | { readonly kind: "text"; readonly length: number; readonly names: readonly string[]; readonly padId: number };

/** A model's backbone: its chain of blocks, then a head without weights that makes the feature of the last value. */
export interface Backbone {
  readonly architecture: string;
  readonly input: ModelInput;
  readonly blocks: readonly Block[];
  readonly head: BlockGraph;
}

export const inputDims = (input: ModelInput): readonly number[] =>
  input.kind === "image" ? [input.channels, input.height, input.width] : [input.length];

export const elementCount = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

/** Canonical text of a graph: the keys in a fixed order, attributes sorted by name. */
export function canonicalGraph(graph: BlockGraph): string {
  return JSON.stringify({
    inputs: graph.inputs,
    slots: graph.slots,
    nodes: graph.nodes.map(({ operator, inputs, slots, attributes }) => [
      operator,
      inputs,
      slots,
      Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)),
    ]),
    output: graph.output,
  });
}
