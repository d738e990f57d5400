import { closeSync, openSync, readSync } from "node:fs";
import ort from "onnxruntime-node";
import type { ItemRange } from "../plan/step.ts";
import { tokenBatches } from "../plan/token-batches.ts";

/** Prepared pictures of one preprocessing on disk: 8 bits a value, [channels, height, width], one after the other. */
export interface PictureInputs {
  readonly kind: "pictures";
  readonly path: string;
  readonly dims: readonly number[];
  /** value = level * scale + bias, a pair for each channel */
  readonly scale: readonly number[];
  readonly bias: readonly number[];
}

/** Texts as tokens of one tokenizer on disk: int32 ids, one text after the other. */
export interface TokenInputs {
  readonly kind: "tokens";
  readonly path: string;
  /** By row: the first id of each text, and behind the last one the end. */
  readonly offsets: Float64Array;
  /** By item of the search: tokens of each text. */
  readonly lengths: Int32Array;
  readonly padId: number;
  /** The model's inputs: `input_ids` first, then `attention_mask` and what else its blocks read. */
  readonly names: readonly string[];
}

export type RootInputs = PictureInputs | TokenInputs;

/** Items in memory that go through a graph together. */
export interface Batch {
  readonly value: ort.Tensor;
  /** Further inputs of the chain, by name. */
  readonly further: ReadonlyMap<string, ort.Tensor>;
  /** Places of the items in the search's order. */
  readonly items: readonly number[];
  /** Tokens of each text, with padding; null for pictures. */
  readonly length: number | null;
}

/** Batches, and the buffer that they lie in; null where they have memory of their own. */
export interface Batches {
  readonly batches: readonly Batch[];
  readonly buffer: ArrayBuffer | null;
}

/**
 * Reads items of a search into memory, in batches. Blocks the thread: what it reads was written a moment ago.
 * @param rows the row of each item in the prepared inputs, which are in the data set's own order
 * @param take gives a buffer of at least so many bytes
 */
export function readInputs(
  root: RootInputs,
  items: ItemRange,
  rows: Int32Array,
  batchSize: number,
  take: (bytes: number) => ArrayBuffer,
): Batches {
  const file = openSync(root.path, "r");
  try {
    return root.kind === "pictures"
      ? readPictures(root, file, items, rows, batchSize, take)
      : readTokens(root, file, items, rows, batchSize);
  } finally {
    closeSync(file);
  }
}

function readPictures(
  { dims, path }: PictureInputs,
  file: number,
  { begin, end }: ItemRange,
  rows: Int32Array,
  batchSize: number,
  take: (bytes: number) => ArrayBuffer,
): Batches {
  const bytesPerItem = dims.reduce((product, dim) => product * dim, 1);
  const buffer = take((end - begin) * bytesPerItem);
  const batches: Batch[] = [];
  for (let from = begin; from < end; from += batchSize) {
    const items = Array.from({ length: Math.min(batchSize, end - from) }, (_, index) => from + index);
    const bytes = new Uint8Array(buffer, (from - begin) * bytesPerItem, items.length * bytesPerItem);
    for (const [index, item] of items.entries()) {
      const part = bytes.subarray(index * bytesPerItem, (index + 1) * bytesPerItem);
      readExactly(file, path, part, (rows[item] ?? -1) * bytesPerItem);
    }
    const value = new ort.Tensor("uint8", bytes, [items.length, ...dims]);
    batches.push({ value, further: new Map(), items, length: null });
  }
  return { batches, buffer };
}

function readTokens(
  { offsets, lengths, padId, names, path }: TokenInputs,
  file: number,
  range: ItemRange,
  rows: Int32Array,
  batchSize: number,
): Batches {
  const batches: Batch[] = [];
  for (const { items, length } of tokenBatches(lengths, range, batchSize)) {
    const shape = [items.length, length];
    const ids = new BigInt64Array(items.length * length).fill(BigInt(padId));
    const mask = new BigInt64Array(items.length * length);
    for (const [index, item] of items.entries()) {
      const tokens = new Int32Array(lengths[item] ?? 0);
      readExactly(file, path, new Uint8Array(tokens.buffer), 4 * (offsets[rows[item] ?? -1] ?? NaN));
      tokens.forEach((id, position) => {
        ids[index * length + position] = BigInt(id);
        mask[index * length + position] = 1n;
      });
    }
    const further = new Map<string, ort.Tensor>();
    for (const name of names.slice(1)) {
      // a text alone is all of the first type
      const values = name === "attention_mask" ? mask : new BigInt64Array(items.length * length);
      further.set(name, new ort.Tensor("int64", values, shape));
    }
    batches.push({ value: new ort.Tensor("int64", ids, shape), further, items, length });
  }
  return { batches, buffer: null };
}

function readExactly(file: number, path: string, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.byteLength;) {
    const count = readSync(file, bytes, done, bytes.byteLength - done, position + done);
    if (count === 0) throw new Error(`${path} ends early; delete it and run again`);
    done += count;
  }
}
