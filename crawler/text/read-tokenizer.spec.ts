import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UnsupportedModelError } from "../errors.ts";
import { openLocalRepository } from "../local-repository.ts";
import { packageFile } from "../package-file.ts";
import type { Repository } from "../repository.ts";
import { openTokenizer } from "./open-tokenizer.ts";
import { readTokenizer, type ParsedTokenizer } from "./read-tokenizer.ts";

/** Ids by transformers' AutoTokenizer (4.57). */
const references = JSON.parse(await readFile(packageFile("test", "text", "references.json"), "utf8")) as {
  readonly texts: readonly string[];
  readonly ids: Readonly<Record<string, readonly (readonly number[])[]>>;
};

const MODELS = {
  "acme-odd/bert-odd-sizes": { modelType: "bert", positions: 24, padId: 0 },
  "acme-odd/xlm-roberta-odd-sizes": { modelType: "xlm-roberta", positions: 18, padId: 3 },
  "acme-odd/distilbert-odd-sizes": { modelType: "distilbert", positions: 16, padId: 0 },
} as const;

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), "alsatian-tokenizer-"))));
afterAll(() => rm(folder, { recursive: true, force: true }));

const openFixture = (id: string): Promise<Repository> =>
  openLocalRepository(packageFile("test", "golden", "fixtures", "hub", ...id.split("/")));

async function readFixture(id: keyof typeof MODELS): Promise<ParsedTokenizer> {
  const repository = await openFixture(id);
  return readTokenizer(repository, await repository.listFiles(), MODELS[id]);
}

/** A repository of small files. */
const repositoryOf = (files: Readonly<Record<string, unknown>>): Repository => {
  const bytesOf = (path: string) => {
    const content = files[path];
    return new TextEncoder().encode(typeof content === "string" ? content : JSON.stringify(content));
  };
  const list = Object.keys(files).map((path) => ({
    path,
    size: bytesOf(path).byteLength,
    sha256: null,
    etag: null,
    xetHash: null,
  }));
  return {
    id: "acme/test",
    revision: "0".repeat(40),
    listFiles: () => Promise.resolve(list),
    readFile: (path) => Promise.resolve(bytesOf(path)),
    readRange: () => {
      throw new Error("not needed");
    },
  };
};

async function read(files: Readonly<Record<string, unknown>>, modelType = "bert"): Promise<ParsedTokenizer> {
  const repository = repositoryOf(files);
  return readTokenizer(repository, await repository.listFiles(), { modelType, positions: 512, padId: 0 });
}

const wordPiece = {
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: [{ id: 0, content: "[UNK]", special: true, normalized: false, lstrip: false, rstrip: false }],
  normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, lowercase: true },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: null,
  decoder: null,
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: { "[UNK]": 0, a: 1, b: 2 },
  },
};
const hashOf = async (tokenizer: object, config: object = {}) =>
  (await read({ "tokenizer.json": tokenizer, "tokenizer_config.json": config })).preprocessing.tokenizer;

describe("readTokenizer", () => {
  it.each(["acme-odd/bert-odd-sizes", "acme-odd/xlm-roberta-odd-sizes", "acme-odd/distilbert-odd-sizes"] as const)(
    "gives the same ids as transformers for %s",
    async (id) => {
      const { preprocessing, tokenizerJson } = await readFixture(id);
      const path = join(folder, `${id.replace("/", "-")}.json`);
      await writeFile(path, tokenizerJson);
      const tokenizer = await openTokenizer(path, preprocessing);
      try {
        const ids = await tokenizer.encode(references.texts);
        expect(ids.map((list) => [...list])).toEqual(references.ids[id]);
      } finally {
        tokenizer.close();
      }
    },
  );

  it("cuts texts where the model, its tokenizer or sentence-transformers cut them", async () => {
    expect((await readFixture("acme-odd/bert-odd-sizes")).preprocessing.maxTokens).toBe(20);
    const files = { "tokenizer.json": wordPiece };
    expect((await read(files)).preprocessing.maxTokens).toBe(512);
    const config = { "tokenizer_config.json": { model_max_length: 128, truncation_side: "left" } };
    expect((await read({ ...files, ...config })).preprocessing).toMatchObject({ maxTokens: 128, cutSide: "left" });
  });

  it("gives one tokenizer in several spellings one name", async () => {
    const hash = await hashOf(wordPiece);
    const truncation = { max_length: 128, strategy: "LongestFirst", direction: "Right", stride: 0 };
    expect(await hashOf({ ...wordPiece, truncation, decoder: { type: "WordPiece" } })).toBe(hash);
    const vocab = { b: 2, a: 1, "[UNK]": 0 };
    expect(await hashOf({ ...wordPiece, model: { ...wordPiece.model, vocab } })).toBe(hash);
    const other = { ...wordPiece.model, vocab: { ...vocab, c: 3 } };
    expect(await hashOf({ ...wordPiece, model: other })).not.toBe(hash);
  });

  it("takes merges in the older spelling too", async () => {
    const bpe = (merges: unknown) => ({
      ...wordPiece,
      normalizer: null,
      model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges, dropout: null, ignore_merges: false },
    });
    expect(await hashOf(bpe([["a", "b"]]))).toBe(await hashOf(bpe(["a b"])));
  });

  it("lets BERT's configuration decide about case, as transformers does", async () => {
    const upper = { ...wordPiece, normalizer: { ...wordPiece.normalizer, lowercase: false } };
    expect(await hashOf(upper, { do_lower_case: true })).toBe(await hashOf(wordPiece));
    expect(await hashOf(wordPiece, { do_lower_case: false })).not.toBe(await hashOf(wordPiece));
    const plain = { tokenizer_class: "PreTrainedTokenizerFast" };
    expect(await hashOf(upper, plain)).not.toBe(await hashOf(wordPiece, plain));
  });

  it("is the same from vocab.txt as from the tokenizer.json that transformers makes of it", async () => {
    const bert = await openFixture("acme-odd/bert-odd-sizes");
    const distil = await openFixture("acme-odd/distilbert-odd-sizes");
    const vocabulary = new TextDecoder().decode(await bert.readFile("vocab.txt", 10_000));
    const json: unknown = JSON.parse(new TextDecoder().decode(await distil.readFile("tokenizer.json", 100_000)));
    const built = await read({ "vocab.txt": vocabulary });
    expect(built.preprocessing).toEqual((await read({ "tokenizer.json": json })).preprocessing);
  });

  const split = { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated", invert: false };
  const replace = (pattern: unknown, content = " ") => ({ type: "Replace", pattern, content });
  const normalizer = (part: unknown) => ({ "tokenizer.json": { ...wordPiece, normalizer: part } });
  it.each([
    ["no tokenizer", {}, /neither tokenizer\.json nor vocab\.txt/],
    ["a sentencepiece model alone", { "spiece.model": "x" }, /only spiece\.model: a tokenizer that is not read/],
    ["a vocabulary without [CLS]", { "vocab.txt": "a\nb\n" }, /its vocabulary has no token "\[CLS\]"/],
    ["something else", { "tokenizer.json": { model: 1 } }, /^tokenizer\.json: model: /],
    [
      "a part of unknown type",
      { "tokenizer.json": { ...wordPiece, pre_tokenizer: split } },
      /"Split" is not supported/,
    ],
    ["an unknown regular expression", normalizer(replace({ Regex: "(a+)+$" })), /"\(a\+\)\+\$" is not run/],
    ["a replacement that blows up", normalizer(replace({ String: "a" }, "b".repeat(100))), /not as expected/],
    [
      "sequences without end",
      normalizer([1, 2, 3, 4, 5, 6].reduce<unknown>((inner) => ({ type: "Sequence", normalizers: [inner] }), null)),
      /not as expected/,
    ],
    [
      "a length that leaves no room",
      { "tokenizer.json": wordPiece, "tokenizer_config.json": { model_max_length: 2 } },
      /cuts texts to 2 tokens/,
    ],
    [
      "lower case by sentence-transformers",
      { "tokenizer.json": wordPiece, "sentence_bert_config.json": { do_lower_case: true } },
      /asks for lower case/,
    ],
  ])("refuses %s with the reason", async (_what, files, reason) => {
    const error: unknown = await read(files).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(UnsupportedModelError);
    expect((error as Error).message).toMatch(reason);
  });
});
