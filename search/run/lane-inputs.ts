import type ort from "onnxruntime-node";
import type { TensorData } from "./lane-job.ts";
import { giveValues, lendResult, type LaneResult } from "./lane-results.ts";
import { get, type Result } from "./result.ts";
import {
  openPictures,
  readInputs,
  type PictureInputs,
  type ReadInputsOptions,
  type RootInputs,
} from "./root-inputs.ts";

export interface LaneInputsOptions extends Omit<ReadInputsOptions, "place"> {
  /** Items that can be under way at a time. */
  readonly window: number;
  /** Resolves when the items up to (without) this place are prepared. */
  readonly whenPrepared: (end: number) => Promise<void>;
}

/** Items of a search as lanes take them: pictures are read a batch at a time, texts now. */
export function laneInputs(root: RootInputs, options: LaneInputsOptions): LaneResult {
  if (root.kind === "pictures") return pictures(root, options);
  return texts(readInputs(root, { ...options, place: "memory" }), root.names);
}

function pictures(root: PictureInputs, options: LaneInputsOptions): LaneResult {
  const { pool, window, whenPrepared } = options;
  const { batches, itemBytes, read, close } = openPictures(root, options);
  const rows = batches.reduce((sum, batch) => sum + batch.rows, 0);
  return {
    batches,
    bytes: itemBytes * Math.min(window, rows),
    reserve: (batch) => whenPrepared((get(batches, batch).items.at(-1) ?? -1) + 1),
    take(batch) {
      const dims = [get(batches, batch).rows, ...root.dims];
      const size = get(batches, batch).rows * itemBytes;
      const buffer = pool.take(size);
      read(batch, new Uint8Array(buffer, 0, size));
      return { x: { type: "uint8", dims, buffer } };
    },
    give: (_batch, values) => giveValues(pool, values),
    release: close,
  };
}

/** Tokens lie in memory, in buffers of their own. */
function texts(result: Result, names: readonly string[]): LaneResult {
  const dataOf = (tensor: ort.Tensor | undefined): TensorData => {
    if (!tensor) throw new Error("the items lack an input");
    return { type: "int64", dims: tensor.dims, buffer: (tensor.data as BigInt64Array).buffer as ArrayBuffer };
  };
  const values = result.batches.map((_batch, index) => ({
    x: dataOf(result.value(index)),
    ...Object.fromEntries(names.slice(1).map((name) => [name, dataOf(result.further(index, name))])),
  }));
  return lendResult(result.batches, values, result.bytes);
}
