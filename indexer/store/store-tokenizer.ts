import { access, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { openTokenizer } from "../../crawler/text/open-tokenizer.ts";
import type { ParsedTokenizer } from "../../crawler/text/read-tokenizer.ts";
import { writeDurably } from "./durable-file.ts";

/**
 * Where a tokenizer lies in the store: `<home>/store/tokenizers/<hash>/tokenizer.json`.
 * @param hash `tokenizer` of a TextPreprocessing
 */
export function tokenizerPath(storeFolder: string, hash: string): string {
  if (!/^[0-9a-f]{64}$/.test(hash)) throw new Error(`${JSON.stringify(hash.slice(0, 100))} names no tokenizer`);
  return join(storeFolder, "tokenizers", hash, "tokenizer.json");
}

/** For a damaged one, so that it is written anew. */
export const removeTokenizer = (storeFolder: string, hash: string): Promise<void> =>
  rm(tokenizerPath(storeFolder, hash), { force: true });

/** Something of every kind: a tokenizer that takes this takes the user's texts. */
const PROBE = ["", "Hello, world! 1.5 naïve 中文 🤗\n\tx"];

/**
 * Puts a model's tokenizer into the store, once, whichever of its models brings it, after it was seen to work.
 * @throws CheckpointError when it cannot be read
 */
export async function storeTokenizer(
  storeFolder: string,
  { preprocessing, tokenizerJson }: ParsedTokenizer,
  signal?: AbortSignal,
): Promise<void> {
  const path = tokenizerPath(storeFolder, preprocessing.tokenizer);
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  const untested = `${path}.${randomUUID()}.tmp`;
  try {
    await writeDurably(untested, tokenizerJson);
    const tokenizer = await openTokenizer(untested, preprocessing, signal);
    try {
      await tokenizer.encode(PROBE);
    } finally {
      tokenizer.close();
    }
    await rename(untested, path);
  } finally {
    await rm(untested, { force: true });
  }
}
