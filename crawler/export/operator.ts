import type { Attributes, SlotShape, TensorInfo } from "./graph.ts";
import type { OnnxAttribute } from "./onnx-model.ts";

/** What an operator is told about the place where it is used. */
export interface OperatorSite {
  readonly inputs: readonly TensorInfo[];
  readonly slots: readonly SlotShape[];
  readonly attributes: Attributes;
}

/** Emits ONNX nodes for one operator. Strings are names of ONNX values. */
export interface Lowering extends OperatorSite {
  readonly inputNames: readonly string[];
  readonly slotNames: readonly string[];
  /** Adds a node with one output and returns the output's name. */
  node(opType: string, inputs: readonly string[], attributes?: Readonly<Record<string, OnnxAttribute>>): string;
  /** A small constant kept in the graph. */
  constant(values: Float32Array | BigInt64Array, dims: readonly number[]): string;
  /** The values that fill a slot; for weights that are recomputed for the input's size. */
  slotValues(slot: number): Float32Array;
}

/**
 * An operator of the block DSL: how shapes follow, what it costs, and how it is written in ONNX. Identity of a block
 * hangs on operator names and attributes, so a change of meaning needs a new name.
 */
export interface Operator {
  readonly name: string;
  /** Its weights are those of a normalisation (batch norm, layer norm). */
  readonly normalises?: boolean;
  /** @throws ShapeError when inputs and weights don't fit */
  infer(site: OperatorSite): TensorInfo;
  /** Floating-point operations for one item. */
  flops(site: OperatorSite, output: TensorInfo): number;
  lower(lowering: Lowering): string;
}
