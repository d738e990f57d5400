import { inferGraph, siteOf } from "./infer-graph.ts";
import type { BlockGraph, TensorInfo } from "./graph.ts";
import {
  encodeOnnxModel,
  NCHWC_DOMAIN,
  type OnnxAttribute,
  type OnnxData,
  type OnnxInitializer,
  type OnnxNode,
  type OnnxValueInfo,
} from "./onnx-model.ts";
import type { Lowering } from "./operator.ts";
import { getOperator } from "./operators.ts";

/** Where a slot's values are; as inputs they are given with each run, by the name `slotName`. */
export type WeightSource = OnnxData | { readonly kind: "input" };

/** A graph and where the values of its slots are to be found. */
export interface GraphWithWeights {
  /** Stands before the names of its nodes; unique in one file. */
  readonly name: string;
  readonly graph: BlockGraph;
  data(slot: number): WeightSource;
  /** The values themselves, for operators that recompute weights for the size of the input. */
  values(slot: number): Float32Array;
}

/** The name of a slot's value in the file. */
export const slotName = (part: Pick<GraphWithWeights, "name">, slot: number): string => `${part.name}/w${slot}`;

/** What goes into a chain: its name and type in the file. The first is the chain's value; blocks read others by name. */
export interface ChainInput {
  readonly value: OnnxValueInfo;
  readonly info: TensorInfo;
  /** For 8-bit pictures: value = byte * scale + bias, a pair for each channel. Without it the input is used as it is. */
  readonly pixels?: { readonly scale: readonly number[]; readonly bias: readonly number[] };
}

export interface ChainOptions {
  readonly graphName: string;
  readonly inputs: readonly ChainInput[];
  readonly outputName: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** An affine layer on the chain's feature: logits = feature x weightsᵀ + bias. */
export interface LinearHead {
  readonly outputName: string;
  readonly classes: number;
  /** [classes, D], row-major */
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

/**
 * Writes a run of graphs, each taking the value of the one before, as one ONNX file: a single block, a fused segment,
 * or a whole model. Weights stay where `data` says.
 * @returns the file's bytes, and the shape of its output
 */
export function writeOnnx(
  chain: readonly GraphWithWeights[],
  options: ChainOptions,
  head?: LinearHead,
): { readonly bytes: Uint8Array; readonly output: TensorInfo } {
  const fixed = options.inputs.every(({ value }) => value.dims.slice(1).every((dim) => typeof dim === "number"));
  const file = new FileParts(!fixed);
  const names = options.inputs.map((input) => (input.pixels ? file.normalisePixels(input) : input.value.name));
  let output = options.inputs[0]?.info ?? { dims: [] };
  for (const part of chain) {
    const further = part.graph.inputs.slice(1).map((name) => findInput(options.inputs, name));
    const { name, info } = file.addGraph(
      part,
      [names[0] ?? "", ...further.map(({ value }) => value.name)],
      [output, ...further.map((input) => input.info)],
    );
    names[0] = name;
    output = info;
  }
  file.nodes.push(identity(names[0] ?? "", options.outputName));
  const dims = output.dims.map((dim, axis) =>
    fixed || isChannel(output, axis) ? dim : `${options.outputName}_${axis}`,
  );
  const outputs: OnnxValueInfo[] = [{ name: options.outputName, type: "float", dims: ["batch", ...dims] }];
  if (head) outputs.push(file.addLinear(head, options.outputName, output.dims[0] ?? 0));
  const nodes = usedNodes(file.nodes, outputs);
  const used = new Set(nodes.flatMap((node) => node.inputs));
  const bytes = encodeOnnxModel({
    graphName: options.graphName,
    inputs: [...options.inputs.map((input) => input.value), ...file.weights],
    outputs,
    nodes,
    initializers: file.initializers.filter(({ name }) => used.has(name)), // not those that were recomputed
    ...(options.metadata && { metadata: options.metadata }),
  });
  return { bytes, output };
}

/** Those that an output comes from: a value in two layouts may be needed in one only. */
function usedNodes(nodes: readonly OnnxNode[], outputs: readonly OnnxValueInfo[]): OnnxNode[] {
  const needed = new Set(outputs.map(({ name }) => name));
  const used = nodes.toReversed().filter((node) => {
    if (!node.outputs.some((name) => needed.has(name))) return false;
    for (const name of node.inputs) needed.add(name);
    return true;
  });
  return used.reverse();
}

/** A further input of the chain. */
function findInput(inputs: readonly ChainInput[], name: string): ChainInput {
  const found = inputs.find(({ value }) => value.name === name);
  if (!found) throw new Error(`the file has no input "${name}", which a block reads`);
  return found;
}

/** Whether an axis keeps its length whatever the input's size: channels first in feature maps, last elsewhere. */
const isChannel = ({ dims }: TensorInfo, axis: number): boolean => axis === (dims.length === 3 ? 0 : dims.length - 1);

const identity = (from: string, to: string): OnnxNode => ({
  opType: "Identity",
  name: `${to}/identity`,
  inputs: [from],
  outputs: [to],
  attributes: {},
});

const bytesOf = (values: Float32Array | BigInt64Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** The nodes and initialisers of a file while it is put together. */
class FileParts {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  /** Inputs that bring weights. */
  readonly weights: OnnxValueInfo[] = [];
  /** Of feature maps: the same values in onnxruntime's blocked layout. */
  readonly #blocked = new Map<string, string>();
  readonly #takesAnySize: boolean;
  /** Of values that are tokens of a picture: the value that holds their rows and columns. */
  readonly #grids = new Map<string, string>();

  constructor(takesAnySize: boolean) {
    this.#takesAnySize = takesAnySize;
  }

  addGraph(part: GraphWithWeights, inputNames: readonly string[], inputs: readonly TensorInfo[]) {
    const { graph } = part;
    const inferred = inferGraph(graph, inputs);
    const slotNames = graph.slots.map((dims, slot) => this.#weight(slotName(part, slot), dims, part.data(slot)));
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
        fromBlocked: (blocked, channels) => {
          const value = lowering.node("ReorderOutput", [blocked], { channels }, NCHWC_DOMAIN);
          this.#blocked.set(value, blocked);
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

  normalisePixels({ value, pixels }: ChainInput): string {
    const channels = pixels?.scale.length ?? 0;
    const perChannel = [1, channels, 1, 1];
    const scale = this.constant("pixels/scale", Float32Array.from(pixels?.scale ?? []), perChannel);
    const bias = this.constant("pixels/bias", Float32Array.from(pixels?.bias ?? []), perChannel);
    const float = this.#node("pixels/float", "Cast", [value.name], { to: 1 });
    return this.#node("pixels/add", "Add", [this.#node("pixels/mul", "Mul", [float, scale], {}), bias], {});
  }

  addLinear(head: LinearHead, feature: string, width: number): OnnxValueInfo {
    const weights = this.constant("head/weights", head.weights, [head.classes, width]);
    const bias = this.constant("head/bias", head.bias, [head.classes]);
    const logits = this.#node("head/gemm", "Gemm", [feature, weights, bias], { transB: 1 });
    this.nodes.push(identity(logits, head.outputName));
    return { name: head.outputName, type: "float", dims: ["batch", head.classes] };
  }

  constant(name: string, values: Float32Array | BigInt64Array, dims: readonly number[]): string {
    const type = values instanceof Float32Array ? "float" : "int64";
    this.initializers.push({ name, type, dims, data: { kind: "inline", bytes: bytesOf(values) } });
    return name;
  }

  #weight(name: string, dims: readonly number[], data: WeightSource): string {
    if (data.kind === "input") this.weights.push({ name, type: "float", dims });
    else this.initializers.push({ name, type: "float", dims, data });
    return name;
  }

  #node(
    name: string,
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>>,
    domain?: string,
  ): string {
    this.nodes.push({ opType, name, inputs, outputs: [name], attributes, domain });
    return name;
  }
}
