import {
  CONTRIB_DOMAIN,
  DATA_TYPES,
  type OnnxElementType,
  type OnnxModel,
  type OnnxNode,
} from "../../crawler/export/onnx-model.ts";

/** Symbolic dimensions of values by their names. */
export type Shapes = Readonly<Record<string, readonly string[]>>;

/** The name of a value, or a number that stands for a constant. */
type Operand = string | number;

/**
 * Writes a graph, an operator a call: each returns the name of its result, which others then take. All values are float32
 * unless it is said otherwise, and broadcast as ONNX does.
 */
export class GraphWriter {
  readonly nodes: OnnxNode[] = [];
  readonly #constants = new Map<string, string>();
  readonly #prefix: string;

  /** @param prefix of all names, so that a graph within another one has its own */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  op(opType: string, inputs: readonly string[], attributes: OnnxNode["attributes"] = {}, domain?: string): string {
    return this.#write(opType, inputs, 1, attributes, domain)[0] ?? "";
  }

  /** Gives values that an operator of this graph has made other names, as outputs need; a value can have one of them. */
  rename(names: ReadonlyMap<string, string>): OnnxNode[] {
    const named = (value: string): string => names.get(value) ?? value;
    return this.nodes.map((node) => ({ ...node, inputs: node.inputs.map(named), outputs: node.outputs.map(named) }));
  }

  add = (a: Operand, b: Operand): string => this.#binary("Add", a, b);
  sub = (a: Operand, b: Operand): string => this.#binary("Sub", a, b);
  mul = (a: Operand, b: Operand): string => this.#binary("Mul", a, b);
  div = (a: Operand, b: Operand): string => this.#binary("Div", a, b);
  min = (a: Operand, b: Operand): string => this.#binary("Min", a, b);
  max = (a: Operand, b: Operand): string => this.#binary("Max", a, b);
  less = (a: Operand, b: Operand): string => this.#binary("Less", a, b);
  atMost = (a: Operand, b: Operand): string => this.#binary("LessOrEqual", a, b);
  and = (a: string, b: string): string => this.op("And", [a, b]);
  or = (a: string, b: string): string => this.op("Or", [a, b]);
  not = (a: string): string => this.op("Not", [a]);
  neg = (a: string): string => this.op("Neg", [a]);
  where = (condition: string, a: Operand, b: Operand): string =>
    this.op("Where", [condition, this.#operand(a), this.#operand(b)]);
  cast = (value: string, type: OnnxElementType): string => this.op("Cast", [value], { to: DATA_TYPES[type] });

  /** Matrix products, with either side transposed. */
  matMul(a: string, b: string, { transA = 0, transB = 0 } = {}): string {
    if (transA + transB === 0) return this.op("MatMul", [a, b]);
    return this.op("FusedMatMul", [a, b], { transA, transB }, CONTRIB_DOMAIN);
  }

  /**
   * The sum of each row [.., m, k], as a column, with `ones` [.., k, 1]. By a product: what a ReduceSum comes to depends on where
   * its input lies in memory, which is another place in a stack than alone.
   */
  sumRows = (value: string, ones: string): string => this.matMul(value, ones);

  /** The sum of each column [.., m, k], as a row, with `ones` [1, m]. */
  sumColumns = (value: string, ones: string): string => this.matMul(ones, value);

  /** A value's size along an axis, as integers [1] and as a float32. */
  sizeOf = (value: string, axis: number): string => this.op("Shape", [value], { start: axis, end: axis + 1 });
  floatSizeOf = (value: string, axis: number): string => this.cast(this.sizeOf(value, axis), "float");

  /** @param sizes values of integers [1] */
  ones = (...sizes: readonly string[]): string => this.op("Expand", [this.constant(1), this.concat(sizes, 0)]);

  concat = (parts: readonly string[], axis: number): string => this.op("Concat", parts, { axis });

  /** Equal parts. */
  split = (value: string, count: number, axis: number): string[] =>
    this.#write("Split", [value], count, { axis, num_outputs: count });

  /** From `begin` to before `end` of one axis; negative ends count from behind. */
  slice = (value: string, axis: number, begin: number, end: number): string =>
    this.op("Slice", [value, this.ints([begin]), this.ints([end]), this.ints([axis])]);

  constant = (value: number): string => this.#constant(`float ${value}`, { value_float: { float: value } });

  ints = (values: readonly number[]): string => this.#constant(`ints ${values.join()}`, { value_ints: values });

  #binary = (opType: string, a: Operand, b: Operand): string => this.op(opType, [this.#operand(a), this.#operand(b)]);

  #operand = (operand: Operand): string => (typeof operand === "number" ? this.constant(operand) : operand);

  #constant(key: string, attributes: OnnxNode["attributes"]): string {
    const name = this.#constants.get(key) ?? this.op("Constant", [], attributes);
    this.#constants.set(key, name);
    return name;
  }

  #write(
    opType: string,
    inputs: readonly string[],
    count: number,
    attributes: OnnxNode["attributes"],
    domain?: string,
  ): string[] {
    const at = `${this.#prefix}${this.nodes.length}`;
    const outputs = Array.from({ length: count }, (_, index) => (count === 1 ? at : `${at}/${index}`));
    this.nodes.push({ opType, name: at, inputs, outputs, attributes, domain });
    return outputs;
  }
}

/** @param doubles outputs in float64, in which nothing else is */
export function graphOf(
  graphName: string,
  inputs: Shapes,
  outputs: Shapes,
  nodes: readonly OnnxNode[],
  doubles: Shapes = {},
): OnnxModel {
  const values = (shapes: Shapes, type: OnnxElementType) =>
    Object.entries(shapes).map(([name, dims]) => ({ name, type, dims }));
  const all = [...values(outputs, "float"), ...values(doubles, "double")];
  return { graphName, inputs: values(inputs, "float"), outputs: all, nodes, initializers: [] };
}
