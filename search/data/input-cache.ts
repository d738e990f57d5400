import { createHash } from "node:crypto";
import { rm, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { writeDurably } from "../../indexer/store/durable-file.ts";
import { writeFully } from "../../indexer/store/write-fully.ts";
import { markUsed } from "../mark-used.ts";
import type { ImageItem } from "./data-set.ts";
import { BadItemsError, type BadItem } from "./bad-items.ts";
import { fingerprintItems } from "./fingerprint-items.ts";
import type { Outcome } from "./preprocess-item.ts";
import { preprocessItems } from "./preprocess-pool.ts";
import { geometryKey, type Preprocessing } from "../../crawler/preprocessing/preprocessing.ts";
import { temporaryPath, writeLargeFile, type LargeFile } from "./write-large-file.ts";

export interface OpenInputsOptions {
  readonly home: string;
  readonly items: readonly ImageItem[];
  /** The row of each item, in the order in which they are needed; default: the items' own. */
  readonly order?: Int32Array | undefined;
  readonly preprocessing: Preprocessing;
  /** fingerprintItems of the items, where it is known already: else all of them are read once more to name them. */
  readonly fingerprint?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called after each picture that is prepared; not at all when the cache has them. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Told now and then how many items can be read already, in the order in which they are needed. */
  readonly onReadable?: ((end: number) => void) | undefined;
  /** As in preprocessItems. */
  readonly threads?: number | undefined;
  /** What has to be done before pictures are prepared; default: nothing. */
  readonly after?: Promise<void>;
}

/** Prepared pictures on disk: uint8 [count, 3, height, width], one after the other from byte 0. */
export interface Inputs {
  /** The file. Scale and bias are still to be applied. */
  readonly path: string;
  /** Where it lies before `ready`. */
  readonly unfinishedPath: string;
  /** Resolves when the file is there. @throws BadItemsError with all pictures that cannot be read; nothing is kept then */
  readonly ready: Promise<void>;
  /** Resolves when they will be there after a power loss too; they can be read before. */
  readonly kept: Promise<void>;
}

/** How often readers are told how far it is. */
const TELL_MS = 20;

/** Counts up when decoding or resizing changes what it makes of the same picture, or how it is kept. */
const INPUTS_VERSION = 2;

/**
 * Begins to prepare pictures, once, and keeps the result in `<home>/cache/inputs/<key>/inputs.u8`. The key names the pictures'
 * bytes, the items' own order and the geometry, so models that only differ in mean and deviation share a file. It counts once the
 * empty file `complete` lies beside it. Two searches that prepare the same at a time write the same bytes.
 */
export async function openInputs(options: OpenInputsOptions): Promise<Inputs> {
  const { home, items, preprocessing, signal } = options;
  const fingerprint = options.fingerprint ?? (await fingerprintItems(items, { signal }));
  const key = createHash("sha256")
    .update(`${INPUTS_VERSION} ${geometryKey(preprocessing)} ${fingerprint}`)
    .digest("hex");
  const folder = join(home, "cache", "inputs", key);
  const path = join(folder, "inputs.u8");
  const bytes = items.length * 3 * preprocessing.height * preprocessing.width;
  const isKept = (await sizeOf(join(folder, COMPLETE))) !== undefined && (await sizeOf(path)) === bytes;
  if (isKept) {
    await markUsed(path);
    return { path, unfinishedPath: path, ready: Promise.resolve(), kept: Promise.resolve() };
  }
  const unfinishedPath = temporaryPath(path);
  const writing = (options.after ?? Promise.resolve()).then(() => writeInputs(folder, unfinishedPath, options));
  const ready = writing.then(() => undefined);
  const kept = writing.then(({ synced }) => synced).then(() => writeDurably(join(folder, COMPLETE), ""));
  for (const promise of [ready, kept]) promise.catch(() => undefined); // seen by those who wait for it
  return { path, unfinishedPath, ready, kept };
}

const COMPLETE = "complete";

async function writeInputs(
  folder: string,
  unfinishedPath: string,
  { items, order, preprocessing, signal, onProgress, onReadable, threads }: OpenInputsOptions,
): Promise<LargeFile> {
  const path = join(folder, "inputs.u8");
  for (const old of [join(folder, COMPLETE), path]) await rm(old, { force: true });
  const rows = order ?? items.map((_item, row) => row);
  const inOrder = Array.from(rows, (row) => items[row]).filter((item) => item !== undefined);
  if (inOrder.length !== items.length) throw new RangeError(`an order of ${rows.length} for ${items.length} items`);
  const write = async (file: FileHandle): Promise<void> => {
    const bad: (BadItem & { readonly row: number })[] = [];
    const take = (outcome: Outcome): void => {
      const row = rows[outcome.index] ?? 0;
      // blocks the thread: a write that waits for its turn would wait behind the pictures that are being decoded
      if ("input" in outcome) writeFully(file.fd, outcome.input, row * outcome.input.byteLength);
      else bad.push({ id: items[row]?.id ?? "", reason: outcome.reason, row });
      onProgress?.(outcome.index + 1, items.length);
    };
    let told = performance.now();
    for await (const outcomes of preprocessItems({ items: inOrder, preprocessing, threads, signal })) {
      outcomes.forEach(take);
      if (bad.length > 0 || performance.now() - told < TELL_MS) continue;
      told = performance.now();
      onReadable?.((outcomes.at(-1)?.index ?? -1) + 1);
    }
    if (bad.length > 0) {
      bad.sort((a, b) => a.row - b.row);
      throw new BadItemsError(bad, items.length);
    }
  };
  return writeLargeFile(path, write, unfinishedPath);
}

const sizeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ size }) => size,
    () => undefined,
  );
