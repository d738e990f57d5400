import { createHash } from "node:crypto";
import { z } from "zod";
import { UnsupportedModelError } from "../errors.ts";
import { checkTokenizerParts } from "./check-tokenizer-parts.ts";

/** More tokens beside the vocabulary than any tokenizer has by far. */
const MAX_ADDED_TOKENS = 100_000;
/** Bytes of a token's text. */
const MAX_TOKEN_LENGTH = 10_000;

export const addedTokenSchema = z.looseObject({
  id: z.int().min(0),
  content: z.string().max(MAX_TOKEN_LENGTH),
  single_word: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  normalized: z.boolean().default(true),
  special: z.boolean().default(false),
});

export type AddedToken = z.output<typeof addedTokenSchema>;

const part = z.looseObject({ type: z.string().max(100) });

/** tokenizer.json of the tokenizers library (https://huggingface.co/docs/tokenizers), as far as it is looked into. */
const tokenizerSchema = z.looseObject({
  added_tokens: z.array(addedTokenSchema).max(MAX_ADDED_TOKENS).default([]),
  normalizer: part.nullish(),
  pre_tokenizer: part.nullish(),
  post_processor: part.nullish(),
  model: z.looseObject({ type: z.string().max(100).optional(), merges: z.array(z.unknown()).optional() }),
});

export type TokenizerJson = z.output<typeof tokenizerSchema>;

/** @throws UnsupportedModelError when it is no tokenizer.json */
export function parseTokenizer(json: unknown): TokenizerJson {
  const parsed = tokenizerSchema.safeParse(json);
  if (parsed.success) {
    checkTokenizerParts(parsed.data.normalizer);
    checkTokenizerParts(parsed.data.pre_tokenizer);
    return parsed.data;
  }
  const [issue] = parsed.error.issues;
  throw new UnsupportedModelError(`tokenizer.json: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not valid"}`);
}

/** Settings that older versions of the library left out; these are what it takes then. */
const DEFAULTS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["byte_fallback", false],
  ["continuing_subword_prefix", ""],
  ["end_of_word_suffix", ""],
  ["fuse_unk", false],
  ["ignore_merges", false],
  ["use_regex", true],
]);

/**
 * The text of a tokenizer.json reduced to what ids follow from, so that one tokenizer in several spellings has one name:
 * fine-tuning tools store their own truncation and padding with it, and versions of the library differ in defaults.
 */
export function canonicalTokenizer(tokenizer: TokenizerJson): string {
  const {
    added_tokens: added,
    normalizer = null,
    pre_tokenizer = null,
    post_processor: post = null,
    model,
  } = tokenizer;
  const isRoberta = post?.type === "RobertaProcessing" || post?.type === "ByteLevel";
  return sortedJson({
    version: "1.0",
    added_tokens: added.toSorted((a, b) => a.id - b.id),
    normalizer,
    pre_tokenizer: pre_tokenizer && withoutDefaults(pre_tokenizer),
    // these say something about offsets, which nobody asks for
    post_processor: isRoberta ? { ...post, add_prefix_space: false, trim_offsets: true } : post,
    model: { ...withoutDefaults(model), ...(model.merges && { merges: model.merges.map(mergePair) }) },
  });
}

/** The name of a tokenizer in canonical form. */
export const tokenizerHash = (canonical: string): string =>
  createHash("sha256").update(`alsatian tokenizer 1\n${canonical}`).digest("hex");

const withoutDefaults = (settings: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(settings).filter(([key, value]) => value !== null && value !== DEFAULTS.get(key)));

/** Older versions write a pair with a space between. */
function mergePair(merge: unknown): unknown {
  const parts = typeof merge === "string" ? merge.split(" ") : [];
  return parts.length === 2 ? parts : merge;
}

/** JSON with the keys of every object in code-unit order. */
function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
