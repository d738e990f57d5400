import { FileParts } from "./file-parts.ts";
import type { BlockGraph, TensorInfo } from "./graph.ts";
import {
  encodeOnnxFrame,
  encodeOnnxModel,
  fillOnnxFrame,
  type OnnxData,
  type OnnxModel,
  type OnnxNode,
  type OnnxValueInfo,
} from "./onnx-model.ts";
import { readsWeights } from "./operators.ts";
import type { Precision } from "./precision.ts";

/** A graph and where the values of its slots are to be found. */
export interface GraphWithWeights {
  /** Stands before the names of its nodes; unique in one file. */
  readonly name: string;
  readonly graph: BlockGraph;
  data(slot: number): OnnxData;
  /** The values themselves, for operators that recompute weights for the size of the input. */
  values(slot: number): Float32Array;
}

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
  /** Default: fp32. In fp16 inputs, output and stored weights are float32 still, and cast; see docs/precision.md. */
  readonly precision?: Precision;
  /**
   * Weights of matrix products are used as they lie, by an operator that only onnxruntime has; else their transposes are
   * folded away when a session is made, into a copy of its own. Only in fp32. Default: false.
   */
  readonly weightsInPlace?: boolean;
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
  const { model, output } = buildOnnx(chain, options, head);
  return { bytes: encodeOnnxModel(model), output };
}

/** Writes a chain of the graphs that it was made for, under the same names, with weights of its own. */
export type ChainWriter = (chain: readonly GraphWithWeights[]) => Uint8Array;

/** As `writeOnnx` for all chains that differ from this one in their weights alone: what they share is written once. */
export function chainWriter(chain: readonly GraphWithWeights[], options: ChainOptions): ChainWriter {
  if (chain.some(({ graph }) => readsWeights(graph))) return (other) => writeOnnx(other, options).bytes;
  const { model, places } = buildOnnx(chain, options);
  const frame = encodeOnnxFrame(model);
  const initializers = model.initializers.map((initializer) => ({ initializer, place: places.get(initializer.name) }));
  return (other) =>
    fillOnnxFrame(
      frame,
      initializers.map(({ initializer, place }) => {
        const data = place && other[place.part]?.data(place.slot);
        return data ? { ...initializer, data } : initializer;
      }),
    );
}

/** What `writeOnnx` writes, before it is encoded, and where its initialisers that are weights come from, by name. */
export function buildOnnx(
  chain: readonly GraphWithWeights[],
  options: ChainOptions,
  head?: LinearHead,
): { readonly model: OnnxModel; readonly output: TensorInfo; readonly places: FileParts["places"] } {
  const fixed = options.inputs.every(({ value }) => value.dims.slice(1).every((dim) => typeof dim === "number"));
  const { precision = "fp32", weightsInPlace = false } = options;
  const file = new FileParts(!fixed, precision, weightsInPlace && precision === "fp32");
  const names = options.inputs.map((input) => file.addInput(input));
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
  file.addOutput(names[0] ?? "", options.outputName);
  const dims = output.dims.map((dim, axis) =>
    fixed || isChannel(output, axis) ? dim : `${options.outputName}_${axis}`,
  );
  const outputs: OnnxValueInfo[] = [{ name: options.outputName, type: "float", dims: ["batch", ...dims] }];
  if (head) outputs.push(file.addLinear(head, options.outputName, output.dims[0] ?? 0));
  const nodes = usedNodes(file.nodes, outputs);
  const used = new Set(nodes.flatMap((node) => node.inputs));
  const model = {
    graphName: options.graphName,
    inputs: options.inputs.map((input) => input.value),
    outputs,
    nodes,
    initializers: file.initializers.filter(({ name }) => used.has(name)), // not those that were recomputed
    ...(options.metadata && { metadata: options.metadata }),
  };
  return { model, output, places: file.places };
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
