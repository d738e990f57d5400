import { z } from "zod";
import { UnsupportedModelError } from "../errors.ts";
import { MAX_CONFIG_BYTES, parseJsonFile } from "../parse-json.ts";
import type { Repository, RepositoryFile } from "../repository.ts";
import { buildByteBpe, buildWordPiece } from "./build-tokenizer.ts";
import { canonicalTokenizer, parseTokenizer, tokenizerHash, type TokenizerJson } from "./canonical-tokenizer.ts";
import type { TextPreprocessing } from "./text-preprocessing.ts";
import {
  applyTokenizerConfig,
  isBertClass,
  parseTokenizerConfig,
  tokenizerClass,
  type TokenizerConfig,
} from "./tokenizer-config.ts";

/** Vocabularies of 250,000 tokens make files of some 20 MB. */
const MAX_TOKENIZER_BYTES = 100_000_000;
/** [CLS], one token, [SEP]. */
const LEAST_TOKENS = 3;

/** Where sentence-transformers keeps the length that texts are cut to. */
const SENTENCE_CONFIGS = ["bert", "roberta", "distilbert", "camembert", "xlm-roberta"].map(
  (type) => `sentence_${type}_config.json`,
);

const sentenceSchema = z.object({ max_seq_length: z.int().min(1).nullish(), do_lower_case: z.boolean().nullish() });

/** A model's tokenizer, and what had to be assumed for it, in words for the user. */
export interface ParsedTokenizer {
  readonly preprocessing: TextPreprocessing;
  readonly assumed: readonly string[];
  /** tokenizer.json in canonical form, which `preprocessing.tokenizer` names. */
  readonly tokenizerJson: string;
}

export interface ReadTokenizerOptions {
  readonly modelType: string;
  /** How many tokens the model takes at most. */
  readonly positions: number;
  readonly padId: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a model's tokenizer as transformers' AutoTokenizer would load it: tokenizer.json, or the vocabulary files of
 * BERT and RoBERTa, with the settings of tokenizer_config.json.
 * @throws UnsupportedModelError when there is none that is read
 */
export async function readTokenizer(
  repository: Repository,
  files: readonly RepositoryFile[],
  { modelType, positions, padId, signal }: ReadTokenizerOptions,
): Promise<ParsedTokenizer> {
  const has = (path: string) => files.some((file) => file.path === path);
  const readBytes = (path: string) => repository.readFile(path, MAX_TOKENIZER_BYTES, signal);
  const readJson = async (path: string): Promise<unknown> =>
    has(path) ? parseJsonFile(await repository.readFile(path, MAX_CONFIG_BYTES, signal), path) : undefined;
  const config = parseTokenizerConfig({
    ...asObject(await readJson("special_tokens_map.json")),
    ...asObject(await readJson("tokenizer_config.json")),
  });
  const className = tokenizerClass(config, modelType);
  const sentence = await readSentenceConfig(has, readJson);
  const maxTokens = Math.min(positions, config.model_max_length ?? Infinity, sentence.max_seq_length ?? Infinity);
  if (maxTokens < LEAST_TOKENS) throw new UnsupportedModelError(`its tokenizer cuts texts to ${maxTokens} tokens`);
  const tokenizerJson = canonicalTokenizer(
    applyTokenizerConfig(await readFiles(has, readBytes, config, className), config, className),
  );
  const tokenizer = tokenizerHash(tokenizerJson);
  const cutSide = config.truncation_side ?? "right";
  return { preprocessing: { kind: "text", tokenizer, maxTokens, cutSide, padId }, assumed: [], tokenizerJson };
}

async function readFiles(
  has: (path: string) => boolean,
  readBytes: (path: string) => Promise<Uint8Array>,
  config: TokenizerConfig,
  className: string | null,
): Promise<TokenizerJson> {
  const decode = async (path: string) => new TextDecoder().decode(await readBytes(path));
  if (has("tokenizer.json")) return parseTokenizer(parseJsonFile(await readBytes("tokenizer.json"), "tokenizer.json"));
  if (isBertClass(className) && has("vocab.txt")) return buildWordPiece(await decode("vocab.txt"), config);
  if (className === "RobertaTokenizer" && has("vocab.json") && has("merges.txt")) {
    const vocabulary = parseJsonFile(await readBytes("vocab.json"), "vocab.json");
    return buildByteBpe(vocabulary, await decode("merges.txt"), config);
  }
  const other = ["sentencepiece.bpe.model", "spiece.model", "vocab.txt", "vocab.json"].find(has);
  throw new UnsupportedModelError(
    other === undefined
      ? "no tokenizer: the repository has neither tokenizer.json nor vocab.txt"
      : `no tokenizer.json, only ${other}: a tokenizer that is not read`,
  );
}

async function readSentenceConfig(
  has: (path: string) => boolean,
  readJson: (path: string) => Promise<unknown>,
): Promise<z.output<typeof sentenceSchema>> {
  const path = SENTENCE_CONFIGS.find(has);
  if (path === undefined) return {};
  const parsed = sentenceSchema.safeParse(await readJson(path));
  if (!parsed.success) throw new UnsupportedModelError(`${path} is not as expected`);
  if (parsed.data.do_lower_case) throw new UnsupportedModelError(`${path} asks for lower case, which is not supported`);
  return parsed.data;
}

const asObject = (json: unknown): object => (typeof json === "object" && json !== null ? json : {});
