import ort from "onnxruntime-node";
import { prepareSlot } from "../../crawler/export/prepare-slot.ts";
import { elementCount, type BlockGraph } from "../../crawler/export/graph.ts";
import { blockGraph } from "../../crawler/export/blocked-graph.ts";
import { slotName, writeOnnx } from "../../crawler/export/write-onnx.ts";

const CHANNELS = 32;

/** A 1x1 convolution without a bias. */
const PROBE: BlockGraph = {
  inputs: ["x"],
  slots: [[CHANNELS, CHANNELS, 1, 1]],
  nodes: [
    {
      operator: "conv",
      inputs: [0],
      slots: [0],
      attributes: { stride: 1, padding: 0, dilation: 1, groups: 1 },
    },
  ],
  output: 1,
};

/**
 * How many channels a group has in onnxruntime's blocked layout on this machine (16 with AVX-512, 8 with AVX2; the
 * library does not say), found by trying them on a small convolution.
 * @returns null where there is no such layout
 */
export async function probeBlockedLayout(): Promise<number | null> {
  const taken = blockGraph(PROBE);
  if (!taken) throw new Error("the probe's weights cannot be inputs");
  const info = { dims: [CHANNELS, 1, 1] };
  const part = { name: "probe", graph: taken.graph, data: () => ({ kind: "input" }) as const, values: () => NOTHING };
  const { bytes } = writeOnnx([part], {
    graphName: "probe",
    inputs: [{ value: { name: "x", type: "float", dims: ["batch", ...info.dims] }, info }],
    outputName: "y",
  });
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 4 }).catch(
    () => null,
  );
  if (!session) return null;
  try {
    const weights = Float32Array.from({ length: CHANNELS * CHANNELS }, (_, index) => (index * 7919) % 127);
    const x = Float32Array.from({ length: CHANNELS }, (_, index) => index + 1);
    for (const channels of [16, 8]) {
      const feeds: Record<string, ort.Tensor> = { x: new ort.Tensor("float32", x, [1, ...info.dims]) };
      const slots = taken.graph.slots.map((shape) => new Float32Array(elementCount(shape)));
      slots.forEach((values, slot) => {
        prepareSlot(PROBE, taken, slot, () => weights, values, channels);
        feeds[slotName(part, slot)] = new ort.Tensor("float32", values, taken.graph.slots[slot] ?? []);
      });
      const y = (await session.run(feeds))["y"]?.data as Float32Array;
      if (y.every((value, k) => value === expected(weights, x, k))) return channels;
    }
    return null;
  } finally {
    await session.release();
  }
}

const NOTHING = new Float32Array(0);

/** Whole numbers, so that float32 has them exactly whatever the order of the sum. */
const expected = (weights: Float32Array, x: Float32Array, row: number): number =>
  x.reduce((sum, value, column) => sum + value * (weights[row * CHANNELS + column] ?? 0), 0);
