import { createHash } from "node:crypto";
import { open, stat, utimes, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { ImageItem } from "./data-set.ts";
import { BadItemsError, type BadItem } from "./bad-items.ts";
import { fingerprintItems } from "./fingerprint-items.ts";
import { preprocessItems } from "./preprocess-pool.ts";
import { geometryKey, type Preprocessing } from "../../crawler/preprocessing/preprocessing.ts";
import { writeLargeFile } from "./write-large-file.ts";

export interface OpenInputsOptions {
  readonly home: string;
  /** In the order in which they will be used. */
  readonly items: readonly ImageItem[];
  readonly preprocessing: Preprocessing;
  /** fingerprintItems of the items, where it is known already: else all of them are read once more to name them. */
  readonly fingerprint?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called after each picture that is prepared; not at all when the cache has them. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** As in preprocessItems. */
  readonly threads?: number | undefined;
}

/** Prepared pictures on disk: uint8 [count, 3, height, width]. Scale and bias are still to be applied. */
export interface Inputs {
  /** The file itself: items one after the other, from byte 0. */
  readonly path: string;
  readonly height: number;
  readonly width: number;
  readonly count: number;
  /** Items `start` up to `end`: uint8 [end - start, 3, height, width], in memory of its own. */
  read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** Counts up when decoding or resizing changes what it makes of the same picture. */
const INPUTS_VERSION = 1;

/**
 * Prepares pictures once and keeps the result in `<home>/cache/inputs/<key>/inputs.u8`. The key names the pictures'
 * bytes, their order and the geometry, so models that only differ in mean and deviation share a file.
 * @throws BadItemsError with all pictures that cannot be read; nothing is kept then
 */
export async function openInputs(options: OpenInputsOptions): Promise<Inputs> {
  const { home, items, preprocessing, signal } = options;
  const { height, width } = preprocessing;
  const itemBytes = 3 * height * width;
  const fingerprint = options.fingerprint ?? (await fingerprintItems(items, { signal }));
  const key = createHash("sha256")
    .update(`${INPUTS_VERSION} ${geometryKey(preprocessing)} ${fingerprint}`)
    .digest("hex");
  const path = join(home, "cache", "inputs", key, "inputs.u8");
  if ((await sizeOf(path)) !== items.length * itemBytes) await writeInputs(path, options);
  await utimes(path, new Date(), new Date()).catch(() => undefined); // so that the least used can be told
  const file = await open(path);
  return {
    path,
    height,
    width,
    count: items.length,
    read: (start, end) => readRange(file, start, end, items.length, itemBytes),
    close: () => file.close(),
  };
}

async function writeInputs(path: string, { items, preprocessing, signal, onProgress, threads }: OpenInputsOptions) {
  const bad: BadItem[] = [];
  await writeLargeFile(path, async (file) => {
    for await (const outcome of preprocessItems({ items, preprocessing, threads, signal })) {
      if ("input" in outcome) await writeAll(file, outcome.input);
      else bad.push({ id: items[outcome.index]?.id ?? "", reason: outcome.reason });
      onProgress?.(outcome.index + 1, items.length);
    }
    if (bad.length > 0) throw new BadItemsError(bad, items.length);
  });
}

/** A write may take only a part of the bytes. */
async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten;
}

async function readRange(file: FileHandle, start: number, end: number, count: number, itemBytes: number) {
  if (!(start >= 0 && start <= end && end <= count)) {
    throw new RangeError(`items ${start} to ${end} were asked for, there are ${count}`);
  }
  const bytes = new Uint8Array((end - start) * itemBytes);
  for (let at = 0; at < bytes.length;) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, start * itemBytes + at);
    if (bytesRead === 0) throw new Error("the input cache ends early; remove <home>/cache/inputs and run again");
    at += bytesRead;
  }
  return bytes;
}

const sizeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ size }) => size,
    () => undefined,
  );
