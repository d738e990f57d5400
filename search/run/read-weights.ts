import { readSync, openSync, closeSync } from "node:fs";
import { elementCount, type BlockGraph } from "../../crawler/export/graph.ts";
import { prepareSlots, type ReadSlot } from "../../crawler/export/prepare-slots.ts";
import { layoutWeights } from "../../crawler/export/weight-layout.ts";
import type { WeightInputGraph } from "../../crawler/export/weight-inputs.ts";

/** A block whose weights are wanted. */
export interface WeightsJob {
  /** Its file in the store. */
  readonly path: string;
  readonly stored: BlockGraph;
  readonly taken: WeightInputGraph;
}

/** Where the prepared slots of blocks lie in one buffer, in bytes; and how long it is. */
export function placeWeights(blocks: readonly Pick<WeightsJob, "taken">[]): {
  readonly blocks: readonly (readonly number[])[];
  readonly bytes: number;
} {
  let end = 0;
  const places = blocks.map(({ taken }) => {
    const { slots, bytes } = layoutWeights(taken.graph);
    const begin = Math.ceil(end / 64) * 64;
    end = begin + bytes;
    return slots.map(({ offset }) => begin + offset);
  });
  return { blocks: places, bytes: end };
}

/** Reads weights from the store and lays them out; keeps the memory that it needs for that, the largest slot's. */
export class WeightReader {
  #scratch = new ArrayBuffer(0);

  /** Fills a buffer as `placeWeights` says. @param channels of a group in the blocked layout */
  read(blocks: readonly WeightsJob[], buffer: ArrayBuffer, channels: number): void {
    const places = placeWeights(blocks).blocks;
    blocks.forEach(({ path, stored, taken }, index) => {
      const { slots } = layoutWeights(stored);
      const file = openSync(path, "r");
      try {
        const read: ReadSlot = (slot, into) => {
          const { offset = 0, length = 0 } = slots[slot] ?? {};
          const values = into ?? this.#array(length);
          readExactly(file, path, new Uint8Array(values.buffer, values.byteOffset, length), offset);
          return values;
        };
        const place = (slot: number): Float32Array =>
          new Float32Array(buffer, places[index]?.[slot] ?? 0, elementCount(taken.graph.slots[slot] ?? []));
        prepareSlots(stored, taken, read, place, channels);
      } finally {
        closeSync(file);
      }
    });
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

function readExactly(file: number, path: string, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.byteLength;) {
    const count = readSync(file, bytes, done, bytes.byteLength - done, position + done);
    if (count === 0) throw new Error(`${path} ends early; run \`alsatian index --verify\``);
    done += count;
  }
}
