import ort from "onnxruntime-node";
import { blockWeights } from "../../crawler/export/fused-slots.ts";
import { encodeOnnxModel, NCHWC_DOMAIN, type OnnxModel, type OnnxNode } from "../../crawler/export/onnx-model.ts";

const CHANNELS = 32;

const node = (opType: string, inputs: readonly string[], output: string, attributes = {}): OnnxNode => ({
  opType,
  name: output,
  inputs,
  outputs: [output],
  attributes,
  domain: NCHWC_DOMAIN,
});

const X = [1, CHANNELS, 1, 1];
const WEIGHT = [CHANNELS, CHANNELS, 1, 1];

/** A 1x1 convolution without a bias, its weight an input. */
const PROBE: OnnxModel = {
  graphName: "probe",
  inputs: [
    { name: "x", type: "float", dims: X },
    { name: "weight", type: "float", dims: WEIGHT },
  ],
  outputs: [{ name: "y", type: "float", dims: X }],
  nodes: [
    node("ReorderInput", ["x"], "blocked"),
    node("Conv", ["blocked", "weight"], "conv", { kernel_shape: [1, 1] }),
    node("ReorderOutput", ["conv"], "y", { channels: CHANNELS }),
  ],
  initializers: [],
};

/**
 * How many channels a group has in onnxruntime's blocked layout on this machine (16 with AVX-512, 8 with AVX2; the
 * library does not say), found by trying them on a small convolution.
 * @returns null where there is no such layout
 */
export async function probeBlockedLayout(): Promise<number | null> {
  const session = await ort.InferenceSession.create(encodeOnnxModel(PROBE), {
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
  }).catch(() => null);
  if (!session) return null;
  try {
    const weights = Float32Array.from({ length: CHANNELS * CHANNELS }, (_, index) => (index * 7919) % 127);
    const x = Float32Array.from({ length: CHANNELS }, (_, index) => index + 1);
    for (const channels of [16, 8]) {
      const laidOut = new Float32Array(weights.length);
      const size = { out: CHANNELS, in: CHANNELS, kernel: 1 };
      blockWeights(weights, size, new Float32Array(CHANNELS).fill(1), laidOut, [channels, channels]);
      const feeds = { x: new ort.Tensor("float32", x, X), weight: new ort.Tensor("float32", laidOut, WEIGHT) };
      const y = (await session.run(feeds))["y"]?.data as Float32Array;
      if (y.every((value, k) => value === expected(weights, x, k))) return channels;
    }
    return null;
  } finally {
    await session.release();
  }
}

/** Whole numbers, so that float32 has them exactly whatever the order of the sum. */
const expected = (weights: Float32Array, x: Float32Array, row: number): number =>
  x.reduce((sum, value, column) => sum + value * (weights[row * CHANNELS + column] ?? 0), 0);
