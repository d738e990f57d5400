import { FloatTypes } from "./float-types.ts";
import { fuseNorms } from "./fuse-norms.ts";
import type { TensorInfo } from "./graph.ts";
import { inferGraph, siteOf } from "./infer-graph.ts";
import {
  DATA_TYPES,
  NCHWC_DOMAIN,
  type OnnxAttribute,
  type OnnxData,
  type OnnxElementType,
  type OnnxInitializer,
  type OnnxNode,
  type OnnxValueInfo,
} from "./onnx-model.ts";
import type { Lowering } from "./operator.ts";
import { getOperator } from "./operators.ts";
import type { Precision } from "./precision.ts";
import { toFloat16 } from "./to-float16.ts";
import { batchFirst, batchLast } from "./batch-last.ts";
import type { ChainInput, GraphWithWeights, LinearHead } from "./write-onnx.ts";

/** The nodes and initialisers of a file while it is put together. */
export class FileParts {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  /** Where initialisers that are weights come from, by name: which graph, in the order in which they were added. */
  readonly places = new Map<string, { readonly part: number; readonly slot: number }>();
  #parts = 0;
  /** Of feature maps: the same values in onnxruntime's blocked layout. */
  readonly #blocked = new Map<string, string>();
  /** Of feature maps: the same values with the batch last. */
  readonly #batchLast = new Map<string, string>();
  readonly #takesAnySize: boolean;
  readonly #precision: Precision;
  readonly #weightsInPlace: boolean;
  readonly #floats: FloatTypes;
  /** Of values that are tokens of a picture: the value that holds their rows and columns. */
  readonly #grids = new Map<string, string>();

  constructor(takesAnySize: boolean, precision: Precision, weightsInPlace: boolean) {
    this.#takesAnySize = takesAnySize;
    this.#precision = precision;
    this.#weightsInPlace = weightsInPlace;
    this.#floats = new FloatTypes(precision, this.nodes);
  }

  /** @returns the value that blocks take */
  addInput(input: ChainInput): string {
    const { name, type } = input.value;
    if (type === "float") this.#floats.know(name, type);
    return input.pixels ? this.#floats.exactly(() => this.#normalisePixels(input)) : name;
  }

  addOutput(from: string, to: string): void {
    const [value = ""] = this.#floats.exactly(() => this.#floats.take([from]));
    this.nodes.push(identity(value, to));
    this.#floats.know(to, "float");
  }

  addGraph(part: GraphWithWeights, inputNames: readonly string[], inputs: readonly TensorInfo[]) {
    const graph = this.#precision === "fp16" ? fuseNorms(part.graph) : part.graph;
    const inferred = inferGraph(graph, inputs);
    const slotNames = graph.slots.map((dims, slot) => {
      const name = this.#weight(`${part.name}/w${slot}`, dims, part.data(slot));
      this.places.set(name, { part: this.#parts, slot });
      return name;
    });
    this.#parts++;
    const valueNames = [...inputNames];
    graph.nodes.forEach((node, index) => {
      const site = siteOf(node, inferred.values, graph.slots);
      const path = `${part.name}/${index}.${node.operator}`;
      let made = 0;
      const from = node.inputs.map((value) => valueNames[value] ?? "");
      let grid = this.#grids.get(from[0] ?? "");
      let isNew = false;
      const lowering: Lowering = {
        ...site,
        inputNames: from,
        slotNames: node.slots.map((slot) => slotNames[slot] ?? ""),
        node: (opType, from, attributes = {}, domain) =>
          this.#node(`${path}.${made++}`, opType, from, attributes, domain),
        precision: this.#precision,
        weightsInPlace: this.#weightsInPlace,
        exactly: (work) => this.#floats.exactly(work),
        constant: (values, dims) => this.constant(`${path}.c${made++}`, values, dims),
        gridName: grid,
        nameGrid: (work) => {
          if (!this.#takesAnySize) return;
          grid = work();
          isNew = true;
        },
        slotValues: (slot) => part.values(node.slots[slot] ?? -1),
        toBlocked: (value) => {
          const blocked = this.#blocked.get(value) ?? lowering.node("ReorderInput", [value], {}, NCHWC_DOMAIN);
          this.#blocked.set(value, blocked);
          return blocked;
        },
        isBlocked: (value) => this.#blocked.has(value),
        fromBlocked: (blocked, channels) => {
          const value = lowering.node("ReorderOutput", [blocked], { channels }, NCHWC_DOMAIN);
          this.#blocked.set(value, blocked);
          return value;
        },
        toBatchLast: (value, map) => {
          const moved = this.#batchLast.get(value) ?? batchLast(lowering, value, map);
          this.#batchLast.set(value, moved);
          return moved;
        },
        fromBatchLast: (moved, map) => {
          const value = batchFirst(lowering, moved, map);
          this.#batchLast.set(value, moved);
          return value;
        },
      };
      const output = getOperator(node.operator).lower(lowering);
      const isKept = String(site.inputs[0]?.grid) === String(inferred.values[valueNames.length]?.grid);
      if (grid !== undefined && (isNew || isKept)) this.#grids.set(output, grid);
      valueNames.push(output);
    });
    return { name: valueNames[graph.output] ?? "", info: inferred.output };
  }

  #normalisePixels({ value, pixels }: ChainInput): string {
    const channels = pixels?.scale.length ?? 0;
    const perChannel = [1, channels, 1, 1];
    const scale = this.constant("pixels/scale", Float32Array.from(pixels?.scale ?? []), perChannel);
    const bias = this.constant("pixels/bias", Float32Array.from(pixels?.bias ?? []), perChannel);
    const float = this.#node("pixels/float", "Cast", [value.name], { to: DATA_TYPES.float });
    return this.#node("pixels/add", "Add", [this.#node("pixels/mul", "Mul", [float, scale], {}), bias], {});
  }

  addLinear(head: LinearHead, feature: string, width: number): OnnxValueInfo {
    return this.#floats.exactly(() => this.#addLinear(head, feature, width));
  }

  #addLinear(head: LinearHead, feature: string, width: number): OnnxValueInfo {
    const weights = this.constant("head/weights", head.weights, [head.classes, width]);
    const bias = this.constant("head/bias", head.bias, [head.classes]);
    const logits = this.#node("head/gemm", "Gemm", [feature, weights, bias], { transB: 1 });
    this.nodes.push(identity(logits, head.outputName));
    return { name: head.outputName, type: "float", dims: ["batch", head.classes] };
  }

  constant(name: string, values: Float32Array | BigInt64Array, dims: readonly number[]): string {
    if (!(values instanceof Float32Array)) return this.#inline(name, "int64", dims, values);
    const type = this.#floats.current;
    this.#floats.know(name, type);
    return this.#inline(name, type, dims, type === "float16" ? toFloat16(values) : values);
  }

  #inline(
    name: string,
    type: OnnxElementType,
    dims: readonly number[],
    values: Float32Array | Uint16Array | BigInt64Array,
  ): string {
    this.initializers.push({ name, type, dims, data: { kind: "inline", bytes: bytesOf(values) } });
    return name;
  }

  #weight(name: string, dims: readonly number[], data: OnnxData): string {
    this.#floats.know(name, "float");
    this.initializers.push({ name, type: "float", dims, data });
    return name;
  }

  #node(
    name: string,
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>>,
    domain?: string,
  ): string {
    const taken = this.#floats.take(inputs);
    this.nodes.push({ opType, name, inputs: taken, outputs: [name], attributes, domain });
    this.#floats.made(name, opType, taken, attributes);
    return name;
  }
}

const identity = (from: string, to: string): OnnxNode => ({
  opType: "Identity",
  name: `${to}/identity`,
  inputs: [from],
  outputs: [to],
  attributes: {},
});

const bytesOf = (values: Float32Array | Uint16Array | BigInt64Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
