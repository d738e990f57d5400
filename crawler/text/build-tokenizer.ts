import { z } from "zod";
import { UnsupportedModelError } from "../errors.ts";
import { parseTokenizer, type TokenizerJson } from "./canonical-tokenizer.ts";
import { bertNormalizer, SPECIAL_TOKENS, specialToken, type TokenizerConfig } from "./tokenizer-config.ts";

/** The largest vocabularies have some 10^6 tokens. */
const MAX_TOKENS = 2_000_000;

type Vocabulary = ReadonlyMap<string, number>;

/**
 * BERT's tokenizer from its vocab.txt, for repositories without tokenizer.json: WordPiece (arXiv 1609.08144) behind
 * BERT's own normaliser. As BertConverter of transformers' convert_slow_tokenizer.py.
 * @param text one token a line; its id is the line's number
 */
export function buildWordPiece(text: string, config: TokenizerConfig): TokenizerJson {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const vocabulary = new Map(lines.map((line, id) => [line.replace(/\r$/, ""), id]));
  checkSize(vocabulary, "vocab.txt");
  const unknown = config.unk_token ?? "[UNK]";
  const [cls, sep] = [config.cls_token ?? "[CLS]", config.sep_token ?? "[SEP]"];
  const special = (token: string) => ({ id: token, ids: [idOf(vocabulary, token)], tokens: [token] });
  const template = (token: string, type: number) => ({ SpecialToken: { id: token, type_id: type } });
  const sequence = (id: "A" | "B", type: number) => ({ Sequence: { id, type_id: type } });
  const single = [template(cls, 0), sequence("A", 0), template(sep, 0)];
  return parseTokenizer({
    version: "1.0",
    added_tokens: addedTokens(vocabulary, [
      unknown,
      sep,
      config.pad_token ?? "[PAD]",
      cls,
      config.mask_token ?? "[MASK]",
    ]),
    normalizer: { type: "BertNormalizer", clean_text: true, ...bertNormalizer(config) },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single,
      pair: [...single, sequence("B", 1), template(sep, 1)],
      special_tokens: { [cls]: special(cls), [sep]: special(sep) },
    },
    model: {
      type: "WordPiece",
      unk_token: unknown,
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocabulary),
    },
  });
}

/**
 * RoBERTa's tokenizer from its vocab.json and merges.txt: byte-level byte pair encoding (arXiv 1909.03341). As
 * RobertaConverter of transformers' convert_slow_tokenizer.py.
 */
export function buildByteBpe(vocabularyJson: unknown, mergesText: string, config: TokenizerConfig): TokenizerJson {
  const parsed = z.record(z.string(), z.int().min(0)).safeParse(vocabularyJson);
  if (!parsed.success) throw new UnsupportedModelError("vocab.json is not a list of tokens with their ids");
  const vocabulary = new Map(Object.entries(parsed.data));
  checkSize(vocabulary, "vocab.json");
  const merges = mergesText
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#version"))
    .map((line) => line.replace(/\r$/, "").split(" "));
  const [cls, sep] = [config.cls_token ?? "<s>", config.sep_token ?? "</s>"];
  const space = config.add_prefix_space ?? false;
  const names = SPECIAL_TOKENS.flatMap((kind) => config[kind] ?? []);
  const added = addedTokens(vocabulary, [...names, cls, sep, "<unk>", "<pad>"]);
  const mask = config.mask_token ?? "<mask>";
  return parseTokenizer({
    version: "1.0",
    // RoBERTa's mask takes the space before it along
    added_tokens: [
      ...added.filter(({ content }) => content !== mask),
      ...addedTokens(vocabulary, [mask]).map((token) => ({ ...token, lstrip: true })),
    ],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: space, trim_offsets: true },
    post_processor: {
      type: "RobertaProcessing",
      sep: [sep, idOf(vocabulary, sep)],
      cls: [cls, idOf(vocabulary, cls)],
      trim_offsets: true,
      add_prefix_space: space,
    },
    model: { type: "BPE", vocab: parsed.data, merges },
  });
}

const addedTokens = (vocabulary: Vocabulary, tokens: readonly string[]) =>
  [...new Set(tokens)].flatMap((token) => {
    const id = vocabulary.get(token);
    return id === undefined ? [] : [specialToken(id, token)];
  });

function idOf(vocabulary: Vocabulary, token: string): number {
  const id = vocabulary.get(token);
  if (id === undefined) throw new UnsupportedModelError(`its vocabulary has no token ${JSON.stringify(token)}`);
  return id;
}

function checkSize({ size }: Vocabulary, file: string): void {
  if (size > MAX_TOKENS) throw new UnsupportedModelError(`${file} has ${size} tokens, the limit is ${MAX_TOKENS}`);
}
