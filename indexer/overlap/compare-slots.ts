import { open, type FileHandle } from "node:fs/promises";
import { layoutWeights } from "../../crawler/export/weight-layout.ts";
import type { BlockRecord } from "../catalog/records.ts";
import type { BlockStore } from "../store/block-store.ts";

/** Where the store holds the values of (a part of) a tensor. */
export interface SlotRef {
  readonly block: BlockRecord;
  readonly slot: number;
}

export interface SlotPair {
  readonly a: SlotRef;
  readonly b: SlotRef;
}

export interface SlotDifference {
  readonly same: boolean;
  readonly maxAbsDiff: number | null;
  readonly meanAbsDiff: number | null;
  /** Places where one value or both are no numbers, or infinite alike, so that no difference can be told. */
  readonly notNumbers: number;
}

/** Bytes of each side in memory at a time. */
const CHUNK_BYTES = 1 << 20;

/** Compares the values in pairs of slots, piece by piece; pairs of equal hash are not read. */
export async function compareSlots(
  store: BlockStore,
  pairs: readonly SlotPair[],
  signal?: AbortSignal,
): Promise<SlotDifference> {
  const total = { max: 0, sum: 0, count: 0, notNumbers: 0 };
  let same = true;
  for (const { a, b } of pairs) {
    const [left, right] = [await locate(store, a), await locate(store, b)];
    if (left.length !== right.length) return { same: false, maxAbsDiff: null, meanAbsDiff: null, notNumbers: 0 };
    total.count += left.length / 4;
    if (hashOf(a) !== undefined && hashOf(a) === hashOf(b)) continue;
    same = false;
    await addDifference(left, right, total, signal);
  }
  const numbers = total.count - total.notNumbers;
  return {
    same,
    maxAbsDiff: total.count > 0 && numbers === 0 ? null : total.max,
    meanAbsDiff: total.count > 0 && numbers === 0 ? null : total.sum / Math.max(1, numbers),
    notNumbers: total.notNumbers,
  };
}

const hashOf = ({ block, slot }: SlotRef): string | undefined => block.slots[slot]?.hash;

interface Place {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

async function locate(store: BlockStore, { block, slot }: SlotRef): Promise<Place> {
  const place = layoutWeights(await store.readGraph(block.graphHash)).slots[slot];
  if (!place) throw new RangeError(`block ${block.name} has no slot ${slot}`);
  return { path: store.weightsPath(block.blockId), ...place };
}

async function addDifference(
  a: Place,
  b: Place,
  total: { max: number; sum: number; notNumbers: number },
  signal?: AbortSignal,
): Promise<void> {
  const left = await open(a.path);
  try {
    const right = await open(b.path);
    try {
      for (let done = 0; done < a.length; done += CHUNK_BYTES) {
        signal?.throwIfAborted();
        const length = Math.min(CHUNK_BYTES, a.length - done);
        const x = await readFloats(left, a, done, length);
        const y = await readFloats(right, b, done, length);
        for (let i = 0; i < x.length; i++) {
          const difference = Math.abs((x[i] ?? 0) - (y[i] ?? 0));
          if (Number.isNaN(difference)) total.notNumbers++;
          else {
            total.sum += difference;
            if (difference > total.max) total.max = difference;
          }
        }
      }
    } finally {
      await right.close();
    }
  } finally {
    await left.close();
  }
}

async function readFloats(file: FileHandle, { path, offset }: Place, begin: number, length: number) {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + begin + done);
    if (bytesRead === 0)
      throw new Error(`${path} ends at byte ${offset + begin + done}; run "alsatian index --verify"`);
    done += bytesRead;
  }
  return new Float32Array(bytes.buffer);
}
