import { get } from "./batch.ts";
import type { BufferPool } from "./buffer-pool.ts";
import { giveValues, lendResult, type LaneResult } from "./lane-results.ts";
import {
  openPictures,
  readTexts,
  textBytes,
  type ItemsToRead,
  type PictureInputs,
  type RootInputs,
  type TokenInputs,
} from "./root-inputs.ts";

export interface LaneInputsOptions extends ItemsToRead {
  readonly pool: BufferPool;
  /** Items that can be under way at a time. */
  readonly window: number;
  /** Resolves when the items up to (without) this place are prepared. */
  readonly whenPrepared: (end: number) => Promise<void>;
}

/** Items of a search as lanes take them: pictures are read a batch at a time, texts now. */
export function laneInputs(root: RootInputs, options: LaneInputsOptions): LaneResult {
  if (root.kind === "pictures") return pictures(root, options);
  return texts(root, options);
}

function pictures(root: PictureInputs, options: LaneInputsOptions): LaneResult {
  const { pool, window, whenPrepared } = options;
  const { batches, itemBytes, read, close } = openPictures(root, options);
  const rows = batches.reduce((sum, batch) => sum + batch.rows, 0);
  return {
    batches,
    bytes: itemBytes * Math.min(window, rows),
    isShared: true,
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
function texts(root: TokenInputs, options: ItemsToRead): LaneResult {
  const batches = readTexts(root, options);
  const values = batches.map(({ ids, further }) => ({ x: ids, ...further }));
  return lendResult(batches, values, textBytes(batches));
}
