import { elementCount, type BlockGraph } from "./graph.ts";
import type { FoldedNorm, BlockedGraph } from "./blocked-graph.ts";

/**
 * Reads the stored float32 values of a slot, into an array of that length where one is given; else they are good until
 * the next large slot is read.
 */
export type ReadSlot = (slot: number, into?: Float32Array) => Float32Array;

/**
 * Fills a slot of a blocked graph.
 * @param stored the graph as it is stored
 * @param read the stored values of a slot
 * @param to float32, as long as the slot's shape says
 * @param channels of a group in onnxruntime's blocked layout on this machine: 8 or 16
 */
export function prepareSlot(
  stored: BlockGraph,
  taken: BlockedGraph,
  index: number,
  read: ReadSlot,
  to: Float32Array,
  channels: number,
): void {
  const slot = taken.slots[index];
  switch (slot?.kind) {
    case "copy":
      return void read(slot.slot, to);
    case "foldedBias":
      return foldBias(slot.slot === null ? null : read(slot.slot), slot.norm, read, to);
    case "blockedWeight": {
      const [out = 0, perGroup = 0, ...kernel] = stored.slots[slot.slot] ?? [];
      const scale = slot.norm ? scaleOf(slot.norm, read) : new Float32Array(out).fill(1);
      return blockWeights(read(slot.slot), { out, in: perGroup, kernel: elementCount(kernel) }, scale, to, channels);
    }
    case undefined:
      throw new RangeError(`a block has no slot ${index}`);
  }
}

/** What a batch norm multiplies each channel by. */
function scaleOf({ weight, variance, epsilon }: FoldedNorm, read: ReadSlot): Float32Array {
  const variances = read(variance);
  return read(weight).map((gain, channel) => gain / Math.sqrt((variances[channel] ?? 0) + epsilon));
}

/** norm(conv + bias) = scale conv + scale (bias - mean) + shift */
function foldBias(bias: Float32Array | null, norm: FoldedNorm | null, read: ReadSlot, to: Float32Array): void {
  if (bias) to.set(bias);
  else to.fill(0);
  if (!norm) return;
  const scale = scaleOf(norm, read);
  const mean = read(norm.mean);
  const shift = read(norm.bias);
  for (let k = 0; k < to.length; k++) to[k] = ((to[k] ?? 0) - (mean[k] ?? 0)) * (scale[k] ?? 0) + (shift[k] ?? 0);
}

/**
 * From [out, in, kernel] to [out/c, in/c, kernel, c in, c out] with c channels a group: what onnxruntime's MLAS calls
 * OIHWBiBo (mlas/lib/reorder.cpp).
 * @param scale one value an output channel
 */
export function blockWeights(
  weights: Float32Array,
  size: { readonly out: number; readonly in: number; readonly kernel: number },
  scale: Float32Array,
  to: Float32Array,
  c: number,
): void {
  const { kernel } = size;
  const row = size.in * kernel;
  let at = 0;
  for (let o = 0; o < size.out; o += c) {
    for (let i = 0; i < size.in; i += c) {
      for (let k = 0; k < kernel; k++) {
        for (let inner = 0; inner < c; inner++) {
          let from = o * row + (i + inner) * kernel + k;
          for (let outer = 0; outer < c; outer++, from += row)
            to[at++] = (weights[from] ?? 0) * (scale[o + outer] ?? 0);
        }
      }
    }
  }
}
