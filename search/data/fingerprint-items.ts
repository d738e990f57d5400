import { hash } from "node:crypto";
import type { DataSet, Item } from "./data-set.ts";
import { readItemBriefly } from "./read-item.ts";

/** Items hashed before others get their turn. */
const AT_A_TIME = 32;

interface Options {
  readonly signal?: AbortSignal | undefined;
}

/** sha256 hex of each item's bytes (an encoded picture, a text in UTF-8), in the order of the items. */
export async function hashItems(items: readonly Item[], { signal }: Options = {}): Promise<string[]> {
  const hashes: string[] = [];
  for (const item of items) {
    if (hashes.length % AT_A_TIME === 0) await new Promise(setImmediate);
    signal?.throwIfAborted();
    hashes.push(hashItem(item));
  }
  return hashes;
}

/** Names the contents of items in their order: sha256 hex. Where they lie and how they are labelled does not count. */
export async function fingerprintItems(items: readonly Item[], options: Options = {}): Promise<string> {
  return fingerprintOf(await hashItems(items, options));
}

/** The fingerprint of items whose hashes are known. */
export const fingerprintOf = (hashes: readonly string[]): string => sha256(hashes.join("\n"));

const hashed = new WeakMap<DataSet, readonly string[]>();

/** `hashItems` of a data set's training items, then its test items; each is read once, however often this is asked. */
export async function hashDataSet(dataSet: DataSet, options: Options = {}): Promise<readonly string[]> {
  const hashes = hashed.get(dataSet) ?? (await hashItems([...dataSet.train, ...dataSet.test], options));
  hashed.set(dataSet, hashes);
  return hashes;
}

/** Names a whole data set: contents, labels, classes and split. */
export async function fingerprintDataSet(dataSet: DataSet, options: Options = {}): Promise<string> {
  const { classes, train, test } = dataSet;
  const hashes = await hashDataSet(dataSet, options);
  const [trainHashes, testHashes] = [hashes.slice(0, train.length), hashes.slice(train.length)];
  const labels = (items: readonly Item[]) => items.map(({ label }) => label);
  return sha256(JSON.stringify({ classes, train: [trainHashes, labels(train)], test: [testHashes, labels(test)] }));
}

function hashItem(item: Item): string {
  if (item.kind === "text") return sha256(item.text);
  try {
    return hash("sha256", readItemBriefly(item));
  } catch (error) {
    // An unreadable item gets a hash of its own, so that it is reported with all the others when it is decoded.
    return sha256(`unreadable: ${item.id}: ${String(error)}`);
  }
}

const sha256 = (text: string): string => hash("sha256", text);
