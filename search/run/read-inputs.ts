import ort from "onnxruntime-node";
import type { Place } from "../plan/step.ts";
import { get } from "./batch.ts";
import type { BufferPool } from "./buffer-pool.ts";
import type { Result } from "./result.ts";
import {
  openPictures,
  readTexts,
  textBytes,
  type ItemsToRead,
  type PictureInputs,
  type RootInputs,
  type TokenInputs,
} from "./root-inputs.ts";
import { tensorOf } from "./tensor-of.ts";

export interface ReadInputsOptions extends ItemsToRead {
  /** Pictures in memory are read now; those on disk a batch at a time. Texts are read now. */
  readonly place: Place;
  readonly pool: BufferPool;
}

/** Items of a search as a graph takes them. Blocks the thread: what it reads was written a moment ago. */
export function readInputs(root: RootInputs, options: ReadInputsOptions): Result {
  return root.kind === "pictures" ? readPictures(root, options) : readTokens(root, options);
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

function readTokens(root: TokenInputs, options: ItemsToRead): Result {
  const batches = readTexts(root, options);
  return {
    batches,
    bytes: textBytes(batches),
    value: (batch) => tensorOf(get(batches, batch).ids),
    download: () => Promise.reject(new Error("texts are no feature")),
    further(batch, name) {
      const values = batches[batch]?.further[name];
      return values && tensorOf(values);
    },
    release: () => undefined,
  };
}
