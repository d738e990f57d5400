import type { Precision } from "../../crawler/export/precision.ts";
import { DATA_TYPES, type OnnxInitializer, type OnnxModel, type OnnxNode } from "../../crawler/export/onnx-model.ts";

/** A graph of what backbones consist of, convolutions and matrix products, with weights and items to run. */
export interface ProbeGraph {
  readonly model: OnnxModel;
  /** Of the input "x"; the output is "y". */
  readonly dims: readonly number[];
  readonly input: Float32Array;
}

interface Sizes {
  /** That go through it together. */
  readonly items: number;
  readonly channels: number;
  /** Height and width of the picture. */
  readonly side: number;
  /** Of the square matrix; divides channels * side². */
  readonly width: number;
  /** Of what comes out, as little as features are: results of this size would be what is measured. */
  readonly outputWidth: number;
}

/** Smooth numbers between -1 and 1, times `scale`. */
const waves = (count: number, scale: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: count }, (_, index) => Math.sin(1.3 * index + 0.37) * scale);

const floats = (name: string, dims: readonly number[], scale: number): OnnxInitializer => ({
  name,
  type: "float",
  dims,
  data: {
    kind: "inline",
    bytes: new Uint8Array(
      waves(
        dims.reduce((a, b) => a * b),
        scale,
      ).buffer,
    ),
  },
});

const node = (
  opType: string,
  inputs: readonly string[],
  output: string,
  attributes: OnnxNode["attributes"] = {},
): OnnxNode => ({ opType, name: output, inputs, outputs: [output], attributes });

/** The same graph between casts, as backbones are written in float16. */
function inHalf(model: OnnxModel): OnnxModel {
  const floats = ["x", ...model.initializers.filter(({ type }) => type === "float").map(({ name }) => name)];
  const rename = (name: string): string => (floats.includes(name) || name === "y" ? `${name}/float16` : name);
  return {
    ...model,
    nodes: [
      ...floats.map((name) => node("Cast", [name], rename(name), { to: DATA_TYPES.float16 })),
      ...model.nodes.map((own) => ({ ...own, inputs: own.inputs.map(rename), outputs: own.outputs.map(rename) })),
      { ...node("Cast", [rename("y")], "y", { to: DATA_TYPES.float }), name: "y/float" },
    ],
  };
}

function probeGraph(sizes: Sizes, precision: Precision): ProbeGraph {
  const whole = wholeGraph(sizes);
  return precision === "fp16" ? { ...whole, model: inHalf(whole.model) } : whole;
}

function wholeGraph({ items, channels, side, width, outputWidth }: Sizes): ProbeGraph {
  const dims = [items, channels, side, side];
  const rows = (items * channels * side * side) / width;
  const same = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
  return {
    dims,
    input: waves(items * channels * side * side, 1),
    model: {
      graphName: "probe",
      inputs: [{ name: "x", type: "float", dims }],
      outputs: [{ name: "y", type: "float", dims: [rows, outputWidth] }],
      // scaled so that values keep their size from layer to layer
      initializers: [
        floats("kernel", [channels, channels, 3, 3], Math.sqrt(2 / (9 * channels))),
        floats("matrix", [width, width], Math.sqrt(2 / width)),
        floats("narrow", [width, outputWidth], Math.sqrt(2 / width)),
        {
          name: "shape",
          type: "int64",
          dims: [2],
          data: { kind: "inline", bytes: new Uint8Array(BigInt64Array.of(BigInt(rows), BigInt(width)).buffer) },
        },
      ],
      nodes: [
        node("Conv", ["x", "kernel"], "conv1", same),
        node("Relu", ["conv1"], "relu1"),
        node("Conv", ["relu1", "kernel"], "conv2", same),
        node("Reshape", ["conv2", "shape"], "flat"),
        node("MatMul", ["flat", "matrix"], "product1"),
        node("Relu", ["product1"], "relu2"),
        node("MatMul", ["relu2", "matrix"], "product2"),
        node("Relu", ["product2"], "relu3"),
        node("MatMul", ["relu3", "narrow"], "y"),
      ],
    },
  };
}

/**
 * Whether a device works. Sizes are odd, so that WebGPU takes its simple kernels: SwiftShader compiles those in 0.3 s,
 * those for multiples of four in 5 s (two cores).
 */
export const tinyGraph = (precision: Precision = "fp32"): ProbeGraph =>
  probeGraph({ items: 1, channels: 3, side: 5, width: 5, outputWidth: 5 }, precision);

/**
 * How fast it is: 1.1e9 multiplications and additions an item, as many items together as make a graphics card worth its
 * while. One alone takes some of them longer than a processor, which they leave behind by far in a search's batches.
 */
export const rateGraph = (precision: Precision = "fp32"): ProbeGraph =>
  probeGraph({ items: 16, channels: 64, side: 56, width: 784, outputWidth: 16 }, precision);
