import { closeSync, openSync } from "node:fs";
import ort from "onnxruntime-node";
import { elementCount } from "../../crawler/export/graph.ts";
import { readExactly } from "../../indexer/store/read-bytes.ts";
import { batchRows, type BatchRule } from "../plan/extent.ts";
import type { ItemRange, Place } from "../plan/step.ts";
import { tokenBatches } from "../plan/token-batches.ts";
import type { BufferPool } from "./buffer-pool.ts";
import { get, type Batch, type Result } from "./result.ts";
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

export interface ReadInputsOptions {
  readonly items: ItemRange;
  /** The row of each item in the prepared inputs, which are in the data set's own order. */
  readonly rows: Int32Array;
  readonly rule: BatchRule;
  /** Pictures in memory are read now; those on disk a batch at a time. Texts are read now. */
  readonly place: Place;
  readonly pool: BufferPool;
}

/** Items of a search as a graph takes them. Blocks the thread: what it reads was written a moment ago. */
export function readInputs(root: RootInputs, options: ReadInputsOptions): Result {
  return root.kind === "pictures" ? readPictures(root, options) : readTokens(root, options);
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
  { items: { begin, end }, rows, rule }: Pick<ReadInputsOptions, "items" | "rows" | "rule">,
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
    const isGone = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    if (others.length === 0 || !isGone) throw cause;
    return openFirst(others);
  }
}

function readPictures(root: PictureInputs, options: ReadInputsOptions): Result {
  const { place, pool } = options;
  const { batches, itemBytes, read, close } = openPictures(root, options);
  const most = batches[0]?.rows ?? 0;
  const bytes = itemBytes * (place === "memory" ? batches.reduce((sum, batch) => sum + batch.rows, 0) : most);
  const buffer = pool.take(bytes);
  const valueOf = (batch: number, offset: number): ort.Tensor => {
    const { rows } = get(batches, batch);
    const value = new Uint8Array(buffer, offset, rows * itemBytes);
    read(batch, value);
    return new ort.Tensor("uint8", value, [rows, ...root.dims]);
  };
  const values = place === "memory" ? batches.map((_batch, index) => valueOf(index, index * most * itemBytes)) : null;
  return {
    batches,
    bytes,
    value: (batch) => (values ? get(values, batch) : valueOf(batch, 0)),
    download: () => Promise.reject(new Error("pictures are no feature")),
    further: () => undefined,
    release() {
      pool.give(buffer);
      close();
    },
  };
}

function readTokens(
  { offsets, lengths, padId, names, path }: TokenInputs,
  { items: range, rows, rule }: ReadInputsOptions,
): Result {
  const file = openSync(path, "r");
  try {
    const batches: Batch[] = [];
    const tensors: { readonly value: ort.Tensor; readonly further: ReadonlyMap<string, ort.Tensor> }[] = [];
    let bytes = 0;
    for (const batch of tokenBatches(lengths, range, rule)) {
      const { items, length } = batch;
      const shape = [batch.rows, length];
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
      const further = new Map<string, ort.Tensor>();
      for (const name of names.slice(1)) {
        // a text alone is all of the first type
        const values = name === "attention_mask" ? mask : new BigInt64Array(ids.length);
        further.set(name, new ort.Tensor("int64", values, shape));
      }
      // a row that fills up the batch is a text of one token: an empty one would divide by nothing
      for (let row = items.length; row < batch.rows; row++) mask[row * length] = 1n;
      batches.push(batch);
      tensors.push({ value: new ort.Tensor("int64", ids, shape), further });
      bytes += ids.byteLength * names.length;
    }
    return {
      batches,
      bytes,
      value: (batch) => get(tensors, batch).value,
      download: () => Promise.reject(new Error("texts are no feature")),
      further: (batch, name) => tensors[batch]?.further.get(name),
      release: () => undefined,
    };
  } finally {
    closeSync(file);
  }
}
