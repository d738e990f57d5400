import { closeSync, openSync } from "node:fs";
import { elementCount } from "../../crawler/export/graph.ts";
import { isMissing } from "../../crawler/is-missing.ts";
import { readExactly } from "../../indexer/store/read-bytes.ts";
import { batchRows, type BatchRule } from "../plan/extent.ts";
import type { ItemRange } from "../plan/step.ts";
import { tokenBatches } from "../plan/token-batches.ts";
import { get, type Batch } from "./batch.ts";
import type { TensorData } from "./lane-job.ts";
import { RUN_AGAIN } from "./spill-file.ts";

/** Prepared pictures of one preprocessing on disk: 8 bits a value, [channels, height, width], one after the other. */
export interface PictureInputs {
  readonly kind: "pictures";
  readonly path: string;
  /** Where they lie as long as not all of them are prepared. */
  readonly unfinishedPath: string;
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

/** Which items are read, and how they are put into batches. */
export interface ItemsToRead {
  readonly items: ItemRange;
  /** The row of each item in the prepared inputs, which are in the data set's own order. */
  readonly rows: Int32Array;
  readonly rule: BatchRule;
}

/** Prepared pictures that are read from their file, batch by batch. */
export interface OpenPictures {
  readonly batches: readonly Batch[];
  readonly itemBytes: number;
  /** Fills `to` with a batch; rows behind its items with zeros. Blocks the thread. */
  read(batch: number, to: Uint8Array): void;
  close(): void;
}

export function openPictures(
  { dims, path, unfinishedPath }: PictureInputs,
  { items: { begin, end }, rows, rule }: ItemsToRead,
): OpenPictures {
  const itemBytes = elementCount(dims);
  let next = begin;
  const batches = batchRows(end - begin, rule).map((batchRows): Batch => {
    const items = Array.from({ length: Math.min(batchRows, end - next) }, (_, index) => next + index);
    next += items.length;
    return { items, rows: batchRows, length: null };
  });
  const file = openFirst([path, unfinishedPath, path]); // it may be renamed between the two
  return {
    batches,
    itemBytes,
    read(batch, to) {
      const { items } = get(batches, batch);
      to.fill(0, items.length * itemBytes);
      for (const [index, item] of items.entries()) {
        const part = to.subarray(index * itemBytes, (index + 1) * itemBytes);
        readExactly(file, path, part, (rows[item] ?? -1) * itemBytes, RUN_AGAIN);
      }
    },
    close: () => closeSync(file),
  };
}

function openFirst([path = "", ...others]: readonly string[]): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    if (others.length === 0 || !isMissing(cause)) throw cause;
    return openFirst(others);
  }
}

/** Texts of a batch, as a graph takes them: their tokens, and its further inputs by name. */
export interface TextBatch extends Batch {
  readonly ids: TensorData<ArrayBuffer>;
  readonly further: Readonly<Record<string, TensorData<ArrayBuffer>>>;
}

/** Reads texts. Blocks the thread: what it reads was written a moment ago. */
export function readTexts(
  { offsets, lengths, padId, names, path }: TokenInputs,
  { items: range, rows, rule }: ItemsToRead,
): TextBatch[] {
  const file = openSync(path, "r");
  try {
    return tokenBatches(lengths, range, rule).map((batch): TextBatch => {
      const { items, length } = batch;
      const dims = [batch.rows, length];
      const ids = new BigInt64Array(batch.rows * length).fill(BigInt(padId));
      const mask = new BigInt64Array(batch.rows * length);
      for (const [index, item] of items.entries()) {
        const tokens = new Int32Array(lengths[item] ?? 0);
        readExactly(file, path, new Uint8Array(tokens.buffer), 4 * (offsets[rows[item] ?? -1] ?? NaN), RUN_AGAIN);
        tokens.forEach((id, position) => {
          ids[index * length + position] = BigInt(id);
          mask[index * length + position] = 1n;
        });
      }
      // a row that fills up the batch is a text of one token: an empty one would divide by nothing
      for (let row = items.length; row < batch.rows; row++) mask[row * length] = 1n;
      // a text alone is all of the first type
      const valuesOf = (name: string) => (name === "attention_mask" ? mask : new BigInt64Array(ids.length));
      const tensor = ({ buffer }: BigInt64Array<ArrayBuffer>): TensorData<ArrayBuffer> => ({
        type: "int64",
        dims,
        buffer,
      });
      const further = names.slice(1).map((name) => [name, tensor(valuesOf(name))] as const);
      return { ...batch, ids: tensor(ids), further: Object.fromEntries(further) };
    });
  } finally {
    closeSync(file);
  }
}

/** Memory of texts that were read. */
export const textBytes = (batches: readonly TextBatch[]): number =>
  batches.reduce((sum, { ids, further }) => sum + ids.buffer.byteLength * (1 + Object.keys(further).length), 0);
