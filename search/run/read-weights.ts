import { closeSync, openSync } from "node:fs";
import { elementCount, type BlockGraph } from "../../crawler/export/graph.ts";
import { prepareSlot, type ReadSlot } from "../../crawler/export/prepare-slot.ts";
import { layoutWeights } from "../../crawler/export/weight-layout.ts";
import type { WeightInputGraph } from "../../crawler/export/weight-inputs.ts";
import { CHECK_STORE, readExactly } from "../../indexer/store/read-bytes.ts";

/** A block whose weights are wanted. */
export interface WeightsJob {
  /** Its file in the store. */
  readonly path: string;
  readonly stored: BlockGraph;
  readonly taken: WeightInputGraph;
}

/** A prepared slot of a block, and where it lies. */
export interface SlotPlacement {
  readonly block: number;
  readonly slot: number;
  /** Which of the buffers, and the byte in it. */
  readonly buffer: number;
  readonly offset: number;
}

export interface WeightPlacement {
  readonly slots: readonly SlotPlacement[];
  /** Bytes of each buffer. */
  readonly bytes: readonly number[];
}

/** Cache line; enough for every SIMD load. */
const ALIGNMENT = 64;
/** Less is not worth another thread. */
const LEAST_BYTES = 2 ** 20;

/** Spreads the prepared slots of blocks over buffers of about the same size, one for each thread that fills them. */
export function placeWeights(blocks: readonly Pick<WeightsJob, "taken">[], buffers: number): WeightPlacement {
  const sizes = blocks.flatMap(({ taken }, block) =>
    taken.graph.slots.map((shape, slot) => ({ block, slot, bytes: 4 * elementCount(shape) })),
  );
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  const ends = new Array<number>(total < LEAST_BYTES ? 1 : buffers).fill(0);
  const slots = sizes
    .toSorted((a, b) => b.bytes - a.bytes || a.block - b.block || a.slot - b.slot)
    .map(({ block, slot, bytes }) => {
      const buffer = ends.indexOf(Math.min(...ends));
      const offset = ends[buffer] ?? 0;
      ends[buffer] = Math.ceil((offset + bytes) / ALIGNMENT) * ALIGNMENT;
      return { block, slot, buffer, offset };
    });
  return { slots, bytes: ends };
}

/** Reads weights from the store and lays them out; keeps the memory that it needs for that, the largest slot's. */
export class WeightReader {
  #scratch = new ArrayBuffer(0);

  /**
   * Fills a buffer.
   * @param slots those that lie in it
   * @param channels of a group in the blocked layout
   */
  read(blocks: readonly WeightsJob[], slots: readonly SlotPlacement[], buffer: ArrayBuffer, channels: number): void {
    blocks.forEach((block, index) => {
      const own = slots.filter((slot) => slot.block === index);
      if (own.length > 0) this.#readBlock(block, own, buffer, channels);
    });
  }

  #readBlock(
    { path, stored, taken }: WeightsJob,
    slots: readonly SlotPlacement[],
    buffer: ArrayBuffer,
    channels: number,
  ): void {
    const places = layoutWeights(stored).slots;
    const file = openSync(path, "r");
    try {
      const read: ReadSlot = (slot, into) => {
        const { offset = 0, length = 0 } = places[slot] ?? {};
        const values = into ?? this.#array(length);
        readExactly(file, path, new Uint8Array(values.buffer, values.byteOffset, length), offset, CHECK_STORE);
        return values;
      };
      for (const { slot, offset } of slots) {
        const to = new Float32Array(buffer, offset, elementCount(taken.graph.slots[slot] ?? []));
        prepareSlot(stored, taken, slot, read, to, channels);
      }
    } finally {
      closeSync(file);
    }
  }

  /** Memory for a slot's stored values. One large slot at a time is worked on; small ones get memory of their own. */
  #array(bytes: number): Float32Array {
    if (bytes < SMALL_BYTES) return new Float32Array(bytes / 4);
    if (this.#scratch.byteLength < bytes) this.#scratch = new ArrayBuffer(bytes);
    return new Float32Array(this.#scratch, 0, bytes / 4);
  }
}

/** Biases and the vectors of norms; only weights of convolutions are larger. */
const SMALL_BYTES = 65_536;
