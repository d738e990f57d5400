import type { BlockedWeight, FoldedNorm, FusedSlot } from "./fuse-convs.ts";
import { elementCount, type BlockGraph } from "./graph.ts";
import { MOST_MAP_CHANNELS } from "./operators/blocked-conv.ts";

/** Reads the stored float32 values of a slot. */
export type ReadSlot = (slot: number) => Float32Array;

/** The values of a slot [out] that follow from a convolution's bias and the norm behind it. */
export function foldSlot(slot: Exclude<FusedSlot, BlockedWeight | { kind: "stored" }>, read: ReadSlot, out: number) {
  switch (slot.kind) {
    case "normScale":
      return scaleOf(slot.norm, read);
    case "foldedBias":
      return foldBias(slot.slot === null ? new Float32Array(out) : read(slot.slot), slot.norm, read);
  }
}

/** What a batch norm multiplies each channel by. */
function scaleOf({ weight, variance, epsilon }: FoldedNorm, read: ReadSlot): Float32Array {
  const variances = read(variance);
  return read(weight).map((gain, channel) => gain / Math.sqrt((variances[channel] ?? 0) + epsilon));
}

/** norm(conv + bias) = scale conv + scale (bias - mean) + shift */
function foldBias(bias: Float32Array, norm: FoldedNorm | null, read: ReadSlot): Float32Array {
  if (!norm) return bias;
  const scale = scaleOf(norm, read);
  const mean = read(norm.mean);
  const shift = read(norm.bias);
  return bias.map((value, k) => (value - (mean[k] ?? 0)) * (scale[k] ?? 0) + (shift[k] ?? 0));
}

/**
 * Lays out a convolution's weight.
 * @param stored the graph as it is stored
 * @param to as long as the stored weight
 * @param channels of a group in onnxruntime's blocked layout on this machine: 8 or 16
 */
export function layOutWeight(
  { slot, norm }: BlockedWeight,
  stored: BlockGraph,
  read: ReadSlot,
  to: Float32Array,
  channels: number,
): void {
  const [out = 0, perGroup = 0, ...kernel] = stored.slots[slot] ?? [];
  const scale = norm ? scaleOf(norm, read) : new Float32Array(out).fill(1);
  const groupIn = perGroup <= MOST_MAP_CHANNELS ? 1 : channels;
  blockWeights(read(slot), { out, in: perGroup, kernel: elementCount(kernel) }, scale, to, [groupIn, channels]);
}

/**
 * From [out, in, kernel] to [out/c, in/i, kernel, i in, c out] with c channels an output group and i an input group: what
 * onnxruntime's MLAS calls OIHWBiBo, and OIHWBo for i = 1 (mlas/lib/reorder.cpp).
 * @param scale one value an output channel
 */
export function blockWeights(
  weights: Float32Array,
  size: { readonly out: number; readonly in: number; readonly kernel: number },
  scale: Float32Array,
  to: Float32Array,
  [groupIn, groupOut]: readonly [number, number],
): void {
  const { kernel } = size;
  const row = size.in * kernel;
  let at = 0;
  for (let o = 0; o < size.out; o += groupOut) {
    for (let i = 0; i < size.in; i += groupIn) {
      for (let k = 0; k < kernel; k++) {
        for (let inner = 0; inner < groupIn; inner++) {
          let from = o * row + (i + inner) * kernel + k;
          for (let outer = 0; outer < groupOut; outer++, from += row)
            to[at++] = (weights[from] ?? 0) * (scale[o + outer] ?? 0);
        }
      }
    }
  }
}
