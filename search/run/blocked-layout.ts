import ort from "onnxruntime-node";
import { blockWeights } from "../../crawler/export/fused-slots.ts";
import type { LayoutProbe } from "./layout-probe.ts";

/**
 * How many channels a group has in onnxruntime's blocked layout on this machine (16 with AVX-512, 8 with AVX2; the
 * library does not say), found by trying them on a small convolution.
 * @returns null where there is no such layout
 */
export async function probeBlockedLayout({ model, channels: all }: LayoutProbe): Promise<number | null> {
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
  }).catch(() => null);
  if (!session) return null;
  try {
    const weights = Float32Array.from({ length: all * all }, (_, index) => (index * 7919) % 127);
    const x = Float32Array.from({ length: all }, (_, index) => index + 1);
    for (const channels of [16, 8]) {
      const laidOut = new Float32Array(weights.length);
      const size = { out: all, in: all, kernel: 1 };
      blockWeights(weights, size, new Float32Array(all).fill(1), laidOut, [channels, channels]);
      const feeds = {
        x: new ort.Tensor("float32", x, [1, all, 1, 1]),
        weight: new ort.Tensor("float32", laidOut, [all, all, 1, 1]),
      };
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
  x.reduce((sum, value, column) => sum + value * (weights[row * x.length + column] ?? 0), 0);
