import { z } from "zod";
import { UnsupportedModelError } from "../errors.ts";

/**
 * Parts of a tokenizer (normalisers, pre-tokenizers) that do work in proportion to the text and can do nothing else.
 * They come from the hub, and the library that runs them ends the process when it panics.
 */
const PARTS: ReadonlySet<string> = new Set([
  "BertNormalizer",
  "Lowercase",
  "NFC",
  "NFD",
  "NFKC",
  "NFKD",
  "Nmt",
  "Precompiled",
  "Prepend",
  "Replace",
  "Strip",
  "StripAccents",
  "BertPreTokenizer",
  "ByteLevel",
  "Digits",
  "Metaspace",
  "Punctuation",
  "Whitespace",
  "WhitespaceSplit",
]);

/** Regular expressions of known tokenizers; of others a search through a text may take forever. */
const KNOWN_PATTERNS: ReadonlySet<string> = new Set([" {2,}", "\\s+", "\\n"]);
/** Texts that replace others, and so could blow a text up. */
const MAX_CONTENT_LENGTH = 8;
/** Sequences in sequences. */
const MAX_DEPTH = 4;
const MAX_PARTS = 50;

const partSchema = z.looseObject({
  type: z.string().max(100),
  normalizers: z.array(z.unknown()).max(MAX_PARTS).optional(),
  pretokenizers: z.array(z.unknown()).max(MAX_PARTS).optional(),
  pattern: z.union([z.object({ String: z.string().min(1) }), z.object({ Regex: z.string() })]).optional(),
  content: z.string().max(MAX_CONTENT_LENGTH).optional(),
  prepend: z.string().max(MAX_CONTENT_LENGTH).optional(),
});

/** @throws UnsupportedModelError naming a part that is not run */
export function checkTokenizerParts(part: unknown, depth = 0): void {
  if (part === null || part === undefined) return;
  const parsed = partSchema.safeParse(part);
  if (!parsed.success || depth > MAX_DEPTH) {
    throw new UnsupportedModelError("tokenizer.json: a normaliser or pre-tokenizer is not as expected");
  }
  const { type, normalizers, pretokenizers, pattern } = parsed.data;
  if (type === "Sequence") {
    for (const inner of [...(normalizers ?? []), ...(pretokenizers ?? [])]) checkTokenizerParts(inner, depth + 1);
    return;
  }
  if (!PARTS.has(type)) throw new UnsupportedModelError(`tokenizer.json: ${JSON.stringify(type)} is not supported`);
  if (pattern && "Regex" in pattern && !KNOWN_PATTERNS.has(pattern.Regex)) {
    throw new UnsupportedModelError(
      `tokenizer.json: the regular expression ${JSON.stringify(pattern.Regex.slice(0, 100))} is not run`,
    );
  }
}
