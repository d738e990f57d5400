import { mkdtemp, readFile, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CheckpointError } from "../../../crawler/errors.ts";
import { tokenizerHash } from "../../../crawler/text/canonical-tokenizer.ts";
import type { ParsedTokenizer } from "../../../crawler/text/read-tokenizer.ts";
import { storeTokenizer } from "../../../indexer/store/store-tokenizer.ts";
import type { TextItem } from "../data-set.ts";
import { openTokens } from "./open-tokens.ts";

const words = { "[UNK]": 0, a: 1, b: 2, c: 3 };
const parsed = (model: object = {}, rest: object = {}): ParsedTokenizer => {
  const tokenizerJson = JSON.stringify({
    version: "1.0",
    added_tokens: [],
    pre_tokenizer: { type: "Whitespace" },
    ...rest,
    model: { type: "WordLevel", unk_token: "[UNK]", vocab: words, ...model },
  });
  const tokenizer = tokenizerHash(tokenizerJson);
  return {
    preprocessing: { kind: "text", tokenizer, maxTokens: 4, cutSide: "right", padId: 0 },
    assumed: [],
    tokenizerJson,
  };
};
const itemsOf = (...texts: string[]): TextItem[] =>
  texts.map((text, index) => ({ kind: "text", id: String(index), label: 0, text }));

let home: string;
beforeEach(async () => void (home = await mkdtemp(join(tmpdir(), "alsatian-tokens-"))));
afterEach(() => rm(home, { recursive: true, force: true }));

describe("openTokens", () => {
  const { preprocessing } = parsed();
  const items = itemsOf("a b", "", "c x a b c", "b");

  it("keeps the ids of all texts one after the other, cut to the model's length", async () => {
    await storeTokenizer(join(home, "store"), parsed());
    const { path, lengths, offsets } = await openTokens({ home, items, preprocessing });
    expect([...lengths]).toEqual([2, 0, 4, 1]);
    expect([...offsets]).toEqual([0, 2, 2, 6, 7]);
    const ids = new Int32Array(Uint8Array.from(await readFile(path)).buffer);
    expect([...ids]).toEqual([1, 2, 3, 0, 1, 2, 2]);
  });

  it("tokenizes once, and again when its file was damaged", async () => {
    await storeTokenizer(join(home, "store"), parsed());
    let done = 0;
    const open = () => openTokens({ home, items, preprocessing, onProgress: () => done++ });
    const { path } = await open();
    expect((await open()).path).toBe(path);
    expect(done).toBe(1);
    await truncate(path, 3);
    await open();
    expect(done).toBe(2);
  });

  it("keeps apart what another tokenizer, length or order of texts makes", async () => {
    await storeTokenizer(join(home, "store"), parsed());
    const open = async (list: TextItem[], change: object = {}) =>
      (await openTokens({ home, items: list, preprocessing: { ...preprocessing, ...change } })).path;
    const paths = [await open(items), await open(items.toReversed()), await open(items, { maxTokens: 3 })];
    expect(new Set(paths).size).toBe(3);
  });

  it("says that a tokenizer is not in the store", async () => {
    await expect(openTokens({ home, items, preprocessing })).rejects.toThrow(
      /has no tokenizer .*: crawl its models again/,
    );
  });

  it("stops when it is told to", async () => {
    await storeTokenizer(join(home, "store"), parsed());
    const signal = AbortSignal.abort(new Error("stopped"));
    await expect(openTokens({ home, items, preprocessing, fingerprint: "f", signal })).rejects.toThrow("stopped");
  });
});

describe("storeTokenizer", () => {
  const charsmap = { type: "Precompiled", precompiled_charsmap: "AAAAAHh4eHg=" };
  it.each([
    ["that the library does not know", parsed({ type: "Magic" })],
    ["without the word for the unknown", parsed({ unk_token: "[NONE]" })],
    ["that makes the library panic", parsed({}, { normalizer: charsmap })],
  ])("refuses a tokenizer %s, and lives on", async (_what, tokenizer) => {
    const error: unknown = await storeTokenizer(join(home, "store"), tokenizer).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(CheckpointError);
    expect((error as Error).message).toMatch(/^the tokenizer cannot be read: /);
    const wanted = { home, items: itemsOf("a"), preprocessing: tokenizer.preprocessing };
    await expect(openTokens(wanted)).rejects.toThrow(/has no tokenizer/);
  });
});
