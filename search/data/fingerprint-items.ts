import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { DataSet, Item } from "./data-set.ts";

/** Files hashed at a time. */
const CONCURRENCY = 4;

interface Options {
  readonly signal?: AbortSignal | undefined;
}

/** sha256 hex of each item's bytes (an encoded picture, a text in UTF-8), in the order of the items. */
export async function hashItems(items: readonly Item[], { signal }: Options = {}): Promise<string[]> {
  const hashes = new Array<string>(items.length);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) {
      signal?.throwIfAborted();
      const item = items[i];
      if (item) hashes[i] = await hashItem(item, signal);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return hashes;
}

/** Names the contents of items in their order: sha256 hex. Where they lie and how they are labelled does not count. */
export async function fingerprintItems(items: readonly Item[], options: Options = {}): Promise<string> {
  return fingerprintOf(await hashItems(items, options));
}

/** The fingerprint of items whose hashes are known. */
export const fingerprintOf = (hashes: readonly string[]): string => sha256(hashes.join("\n"));

/** Names a whole data set: contents, labels, classes and split. */
export async function fingerprintDataSet({ classes, train, test }: DataSet, options: Options = {}): Promise<string> {
  const [trainHashes, testHashes] = [await hashItems(train, options), await hashItems(test, options)];
  const labels = (items: readonly Item[]) => items.map(({ label }) => label);
  return sha256(JSON.stringify({ classes, train: [trainHashes, labels(train)], test: [testHashes, labels(test)] }));
}

async function hashItem(item: Item, signal: AbortSignal | undefined): Promise<string> {
  if (item.kind === "text") return sha256(item.text);
  const hash = createHash("sha256");
  const { range, path } = item;
  const part = range ? { start: range.begin, end: range.end - 1 } : {}; // `end` is inclusive there
  if (!range || range.end > range.begin) {
    try {
      await pipeline(createReadStream(path, part), hash, { signal });
    } catch (error) {
      signal?.throwIfAborted();
      // An unreadable item gets a hash of its own, so that it is reported with all the others when it is decoded.
      return sha256(`unreadable: ${item.id}: ${String(error)}`);
    }
  }
  return hash.digest("hex");
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
