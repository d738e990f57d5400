import { z } from "zod";
import { UnsupportedModelError } from "../errors.ts";
import type { AddedToken, TokenizerJson } from "./canonical-tokenizer.ts";
import { addedTokenSchema } from "./canonical-tokenizer.ts";

/** A token as a text, or with its settings. */
const token = z
  .union([z.string().max(1000), z.looseObject({ content: z.string().max(1000) }).transform(({ content }) => content)])
  .nullish();

/** Kinds of special tokens, in transformers' order. */
export const SPECIAL_TOKENS = [
  "bos_token",
  "eos_token",
  "unk_token",
  "sep_token",
  "pad_token",
  "cls_token",
  "mask_token",
] as const;

/** tokenizer_config.json of transformers, with what special_tokens_map.json says where it says nothing. */
const configSchema = z.looseObject({
  tokenizer_class: z.string().max(200).nullish(),
  /** Unset lengths are written as 10^30. */
  model_max_length: z.number().min(1).nullish(),
  truncation_side: z.enum(["right", "left"]).nullish(),
  do_lower_case: z.boolean().nullish(),
  strip_accents: z.boolean().nullish(),
  tokenize_chinese_chars: z.boolean().nullish(),
  add_prefix_space: z.boolean().nullish(),
  added_tokens_decoder: z.record(z.string().max(20), addedTokenSchema.omit({ id: true })).nullish(),
  bos_token: token,
  eos_token: token,
  unk_token: token,
  sep_token: token,
  pad_token: token,
  cls_token: token,
  mask_token: token,
});

export type TokenizerConfig = z.output<typeof configSchema>;

export function parseTokenizerConfig(json: unknown): TokenizerConfig {
  const parsed = configSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UnsupportedModelError(
    `tokenizer_config.json: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not valid"}`,
  );
}

/** transformers' tokenizer classes of model types whose tokenizer_config.json names none. */
const DEFAULT_CLASSES: ReadonlyMap<string, string> = new Map([
  ["bert", "BertTokenizer"],
  ["distilbert", "DistilBertTokenizer"],
  ["roberta", "RobertaTokenizer"],
]);

/** The class without its `Fast`; null for one that leaves tokenizer.json as it is. */
export function tokenizerClass(config: TokenizerConfig, modelType: string): string | null {
  const name = config.tokenizer_class ?? DEFAULT_CLASSES.get(modelType) ?? null;
  return name?.replace(/Fast$/, "") ?? null;
}

export const isBertClass = (name: string | null): boolean => name === "BertTokenizer" || name === "DistilBertTokenizer";

/**
 * What transformers' AutoTokenizer (4.57) changes about a tokenizer.json when it loads it: BERT's classes impose their
 * own settings of the normaliser, byte-level tokenizers theirs of the leading space, and special tokens are added.
 */
export function applyTokenizerConfig(
  tokenizer: TokenizerJson,
  config: TokenizerConfig,
  className: string | null,
): TokenizerJson {
  const { normalizer, pre_tokenizer: before } = tokenizer;
  const isBert = isBertClass(className) && normalizer?.type === "BertNormalizer";
  return {
    ...tokenizer,
    added_tokens: addTokens(tokenizer, config),
    normalizer: isBert ? { ...normalizer, ...bertNormalizer(config) } : normalizer,
    pre_tokenizer:
      before?.type === "ByteLevel" ? { ...before, add_prefix_space: config.add_prefix_space ?? false } : before,
  };
}

/** Settings of BertTokenizer with its defaults. */
export const bertNormalizer = (config: TokenizerConfig) => ({
  lowercase: config.do_lower_case ?? true,
  strip_accents: config.strip_accents ?? null,
  handle_chinese_chars: config.tokenize_chinese_chars ?? true,
});

/** Those of tokenizer.json, as tokenizer_config.json sets them, and the special tokens that are missing. */
function addTokens({ added_tokens: own, model }: TokenizerJson, config: TokenizerConfig): AddedToken[] {
  const tokens = new Map(own.map((added) => [added.content, added]));
  for (const [id, settings] of Object.entries(config.added_tokens_decoder ?? {})) {
    tokens.set(settings.content, { ...settings, id: tokens.get(settings.content)?.id ?? Number(id) });
  }
  const vocabulary = isRecord(model.vocab) ? model.vocab : {};
  for (const kind of SPECIAL_TOKENS) {
    const content = config[kind];
    if (content === undefined || content === null || tokens.has(content)) continue;
    const id = Object.hasOwn(vocabulary, content) ? vocabulary[content] : undefined;
    if (typeof id === "number") tokens.set(content, specialToken(id, content));
  }
  return [...tokens.values()];
}

export const specialToken = (id: number, content: string): AddedToken => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
});

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
