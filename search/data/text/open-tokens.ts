import { createHash } from "node:crypto";
import { access, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../../../crawler/errors.ts";
import { preprocessingKey } from "../../../crawler/preprocessing/preprocessing.ts";
import { openTokenizer } from "../../../crawler/text/open-tokenizer.ts";
import type { TextPreprocessing } from "../../../crawler/text/text-preprocessing.ts";
import { tokenizerPath } from "../../../indexer/store/store-tokenizer.ts";
import { markUsed } from "../../mark-used.ts";
import type { TextItem } from "../data-set.ts";
import { fingerprintItems } from "../fingerprint-items.ts";
import { writeLargeFile } from "../write-large-file.ts";

export interface OpenTokensOptions {
  readonly home: string;
  /** In the order in which they will be used. */
  readonly items: readonly TextItem[];
  readonly preprocessing: TextPreprocessing;
  /** fingerprintItems of the items, where it is known already. */
  readonly fingerprint?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called as texts are done; not at all when the cache has them. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Texts as tokens on disk. */
export interface Tokens {
  /** The file itself: int32 ids, one text after the other, from byte 0. */
  readonly path: string;
  /** How many tokens each text has, special tokens included. */
  readonly lengths: Int32Array;
  /** The first id of each text, and behind the last one the end. */
  readonly offsets: Float64Array;
}

/** Counts up when tokenizing changes what it makes of the same text. */
const TOKENS_VERSION = 1;
/** Texts that are tokenized at a time. */
const BATCH = 512;

/**
 * Tokenizes texts once and keeps the ids in `<home>/cache/inputs/<key>/tokens.i32`. The key names the texts, their
 * order, the tokenizer and the length that they are cut to.
 * @throws CheckpointError when the store does not hold the tokenizer
 */
export async function openTokens(options: OpenTokensOptions): Promise<Tokens> {
  const { home, items, preprocessing, signal } = options;
  const fingerprint = options.fingerprint ?? (await fingerprintItems(items, { signal }));
  const key = createHash("sha256")
    .update(`tokens ${TOKENS_VERSION} ${preprocessingKey(preprocessing)} ${fingerprint}`)
    .digest("hex");
  const folder = join(home, "cache", "inputs", key);
  const path = join(folder, "tokens.i32");
  const lengthsPath = join(folder, "lengths.i32"); // written last: with it the tokens are all there
  const cached = await readLengths(lengthsPath, items.length);
  const lengths = cached && (await isComplete(path, cached)) ? cached : await tokenize(path, lengthsPath, options);
  await markUsed(path);
  return { path, lengths, offsets: offsetsOf(lengths) };
}

async function tokenize(
  path: string,
  lengthsPath: string,
  { home, items, preprocessing, signal, onProgress }: OpenTokensOptions,
): Promise<Int32Array> {
  const stored = tokenizerPath(join(home, "store"), preprocessing.tokenizer);
  await access(stored).catch((cause: unknown) => {
    throw new CheckpointError(`the store has no tokenizer ${stored}: crawl its models again`, { cause });
  });
  const lengths = new Int32Array(items.length);
  const tokenizer = await openTokenizer(stored, preprocessing, signal);
  try {
    const { synced } = await writeLargeFile(path, async (file) => {
      for (let begin = 0; begin < items.length; begin += BATCH) {
        signal?.throwIfAborted();
        const batch = items.slice(begin, begin + BATCH);
        const ids = await tokenizer.encode(batch.map((item) => item.text));
        ids.forEach(({ length }, index) => (lengths[begin + index] = length));
        await file.writeFile(Buffer.concat(ids.map(bytesOf)));
        onProgress?.(begin + batch.length, items.length);
      }
    });
    await synced;
  } finally {
    tokenizer.close();
  }
  await (
    await writeLargeFile(lengthsPath, (file) => file.writeFile(bytesOf(lengths)))
  ).synced;
  return lengths;
}

const bytesOf = (ids: Int32Array): Uint8Array => new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);

async function readLengths(path: string, count: number): Promise<Int32Array | null> {
  const bytes = await readFile(path).catch(() => null);
  return bytes?.byteLength === 4 * count ? new Int32Array(Uint8Array.from(bytes).buffer) : null;
}

async function isComplete(path: string, lengths: Int32Array): Promise<boolean> {
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  return (await stat(path).catch(() => null))?.size === 4 * tokens;
}

function offsetsOf(lengths: Int32Array): Float64Array {
  const offsets = new Float64Array(lengths.length + 1);
  lengths.forEach((length, index) => (offsets[index + 1] = (offsets[index] ?? 0) + length));
  return offsets;
}
