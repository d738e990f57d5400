import type { Attributes, SlotShape, TensorInfo } from "./graph.ts";
import type { OnnxAttribute } from "./onnx-model.ts";
import type { Precision } from "./precision.ts";

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
  node(
    opType: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, OnnxAttribute>>,
    domain?: string,
  ): string;
  /** What the file computes in. Inputs and slots of another type are cast where a node takes them. */
  readonly precision: Precision;
  /** As of `ChainOptions`. */
  readonly weightsInPlace: boolean;
  /** What `work` writes is computed in float32, whatever the file computes in: where float16 overflows or loses too much. */
  exactly<T>(work: () => T): T;
  /** A small constant kept in the graph. */
  constant(values: Float32Array | BigInt64Array, dims: readonly number[]): string;
  /**
   * Rows and columns of the first input's patches, as an ONNX value: only in a file that takes pictures of any size.
   * Without it they are those of the first input's `grid`.
   */
  readonly gridName: string | undefined;
  /** For operators that make tokens of a picture: tells how their output's grid is worked out when the file runs. */
  nameGrid(work: () => string): void;
  /** The values that fill a slot; for weights that are recomputed for the input's size. */
  slotValues(slot: number): Float32Array;
  /** A feature map's value in onnxruntime's blocked layout (NCHWc): made where there is none yet. */
  toBlocked(value: string): string;
  /** Whether a feature map's value is there in that layout. */
  isBlocked(value: string): boolean;
  /** The feature map that a blocked value is, as other operators take it. */
  fromBlocked(blocked: string, channels: number): string;
  /** A feature map [C, H, W] of a batch of N as [C, H W, N], for matrix products: made where there is none yet. */
  toBatchLast(value: string, map: TensorInfo): string;
  /** The feature map that such a value is, as other operators take it. */
  fromBatchLast(value: string, map: TensorInfo): string;
}

/**
 * An operator of the block DSL: how shapes follow, what it costs, and how it is written in ONNX. Identity of a block
 * hangs on operator names and attributes, so a change of meaning needs a new name.
 */
export interface Operator {
  readonly name: string;
  /** Its weights are those of a normalisation (batch norm, layer norm). */
  readonly normalises?: boolean;
  /** Lowering may read the values of its weights, so they must be known when the graph is written. */
  readonly readsWeights?: boolean;
  /** Which of its inputs hold whole numbers (token ids, masks); the others hold floats. */
  readonly integerInputs?: readonly number[];
  /** @throws ShapeError when inputs and weights don't fit */
  infer(site: OperatorSite): TensorInfo;
  /** Floating-point operations for one item. */
  flops(site: OperatorSite, output: TensorInfo): number;
  lower(lowering: Lowering): string;
}
