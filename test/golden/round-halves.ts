import type { OnnxInitializer, OnnxModel, OnnxNode } from "../../crawler/export/onnx-model.ts";
import { toFloat32 } from "../../crawler/checkpoint/dtype.ts";

/** TensorProto.DataType, as Cast takes it */
const FLOAT = 1;
const FLOAT16 = 10;
/** What they put out is not of their inputs' type. */
const NEVER_FLOAT: ReadonlySet<string> = new Set(["Shape", "Equal", "Not"]);

/** Splits a float32 so that the upper part has a float16's 11 digits (Veltkamp). */
const SPLIT = 2 ** 13 + 1;
/** What is at least this rounds to infinity. */
const TOO_LARGE = 65520;
/** Below this float16 has steps of 2^-24, as float32 has between 0.5 and 1. */
const TOO_SMALL = 2 ** -14;
const STEPS = 0.75;

/**
 * A graph in float16 as one in float32 that rounds every value which is float16 there, as a device does that stores
 * results in float16 and adds up in float32. onnxruntime's CPU provider cannot show that: it has next to no kernels for
 * float16, computes in float32, and takes casts there and back for nothing.
 */
export function roundHalves(model: OnnxModel): OnnxModel {
  const halves = new Set(model.initializers.filter(({ type }) => type === "float16").map(({ name }) => name));
  const nodes: OnnxNode[] = [];
  for (const node of model.nodes) {
    const isHalf =
      node.opType === "Cast"
        ? node.attributes["to"] === FLOAT16
        : !NEVER_FLOAT.has(node.opType) && node.inputs.some((name) => halves.has(name));
    if (!isHalf) {
      nodes.push(node.opType === "Cast" && halves.has(node.inputs[0] ?? "") ? asIdentity(node) : node);
      continue;
    }
    const [output = ""] = node.outputs;
    halves.add(output);
    if (node.opType === "Cast") nodes.push(...rounding(node.inputs[0] ?? "", output));
    else nodes.push({ ...node, outputs: [`${output}/exact`] }, ...rounding(`${output}/exact`, output));
  }
  return { ...model, nodes, initializers: [...model.initializers.map(widen), ...CONSTANTS] };
}

const asIdentity = (node: OnnxNode): OnnxNode =>
  node.attributes["to"] === FLOAT ? { ...node, opType: "Identity", attributes: {} } : node;

function widen(initializer: OnnxInitializer): OnnxInitializer {
  const { type, data } = initializer;
  if (type !== "float16" || data.kind !== "inline") return initializer;
  return { ...initializer, type: "float", data: { kind: "inline", bytes: bytesOf(toFloat32("F16", data.bytes)) } };
}

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

const scalar = (name: string, value: number): OnnxInitializer => ({
  name,
  type: "float",
  dims: [],
  data: { kind: "inline", bytes: bytesOf(Float32Array.of(value)) },
});

const CONSTANTS = [
  scalar("half/split", SPLIT),
  scalar("half/large", TOO_LARGE),
  scalar("half/small", TOO_SMALL),
  scalar("half/steps", STEPS),
  scalar("half/infinity", Infinity),
];

/** Nodes that round `from` to the nearest float16. */
function rounding(from: string, to: string): OnnxNode[] {
  const nodes: OnnxNode[] = [];
  const add = (opType: string, inputs: readonly string[], output = `${to}/${nodes.length}`): string => {
    nodes.push({ opType, name: `${to}/${nodes.length}`, inputs, outputs: [output], attributes: {} });
    return output;
  };
  const scaled = add("Mul", [from, "half/split"]);
  const digits = add("Sub", [scaled, add("Sub", [scaled, from])]);
  const steps = add("Sub", [add("Add", [from, "half/steps"]), "half/steps"]);
  const size = add("Abs", [from]);
  const finite = add("Where", [add("Less", [size, "half/small"]), steps, digits]);
  add("Where", [add("GreaterOrEqual", [size, "half/large"]), add("Mul", [from, "half/infinity"]), finite], to);
  return nodes;
}
