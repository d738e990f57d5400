import { randomUUID } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { BlockedWeight } from "../../crawler/export/fuse-convs.ts";
import { layOutWeight, type ReadSlot } from "../../crawler/export/fused-slots.ts";
import type { BlockGraph } from "../../crawler/export/graph.ts";
import { layoutWeights, type WeightLayout } from "../../crawler/export/weight-layout.ts";
import { CHECK_STORE, readExactly } from "../../indexer/store/read-bytes.ts";
import { writeFully } from "../../indexer/store/write-fully.ts";

/** Weights of a block that are to be laid out for this machine. */
export interface LayoutJob {
  /** Its file in the store, and where the laid-out weights go. */
  readonly from: string;
  readonly to: string;
  readonly stored: BlockGraph;
  /** In the order of the file. */
  readonly weights: readonly BlockedWeight[];
  /** Channels of a group in the blocked layout. */
  readonly channels: number;
}

/** Where they lie in the file. */
export const laidOutPlaces = ({ stored, weights }: Pick<LayoutJob, "stored" | "weights">): WeightLayout =>
  layoutWeights({ slots: weights.map(({ slot }) => stored.slots[slot] ?? []) });

/** Lays out weights; keeps the memory that it needs for that: a block's, and its largest slot's. */
export class WeightLayouter {
  #laidOut = new ArrayBuffer(0);
  #scratch = new ArrayBuffer(0);

  /** Leaves the file whole or not at all; one that is there is taken as it is, for its name says what is in it. */
  layOut(job: LayoutJob): void {
    const { from, to, stored, weights, channels } = job;
    if (existsSync(to)) return;
    const { slots, bytes } = laidOutPlaces(job);
    if (this.#laidOut.byteLength < bytes) this.#laidOut = new ArrayBuffer(bytes);
    const places = layoutWeights(stored).slots;
    const file = openSync(from, "r");
    try {
      const read: ReadSlot = (slot) => {
        const { offset = 0, length = 0 } = places[slot] ?? {};
        const values = this.#array(length);
        readExactly(file, from, new Uint8Array(values.buffer, values.byteOffset, length), offset, CHECK_STORE);
        return values;
      };
      for (const [index, weight] of weights.entries()) {
        const { offset = 0, length = 0 } = slots[index] ?? {};
        layOutWeight(weight, stored, read, new Float32Array(this.#laidOut, offset, length / 4), channels);
      }
    } finally {
      closeSync(file);
    }
    writeWhole(to, new Uint8Array(this.#laidOut, 0, bytes));
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

function writeWhole(path: string, bytes: Uint8Array): void {
  const half = join(dirname(path), "tmp", randomUUID());
  mkdirSync(dirname(half), { recursive: true });
  try {
    const file = openSync(half, "wx");
    try {
      writeFully(file, bytes);
    } finally {
      closeSync(file);
    }
    renameSync(half, path);
  } finally {
    rmSync(half, { force: true });
  }
}
