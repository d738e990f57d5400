import { checkJson } from "./check-json.ts";
import { CheckpointError } from "./errors.ts";

/** Configurations of real models are below 1 MB, class names of ImageNet-21k included. */
export const MAX_CONFIG_BYTES = 5_000_000;
/** The deepest files of real models (tokenizers, quantisation settings) have some 10 levels. */
const MAX_DEPTH = 100;
/** Tokenizers of 250,000 tokens have some 10^6 values. */
const MAX_VALUES = 5_000_000;

/**
 * JSON of a hub's file.
 * @param name the file, for the message
 * @throws CheckpointError when it is not JSON, or nested or filled beyond what any model needs
 */
export function parseJsonFile(bytes: Uint8Array, name: string): unknown {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const problem = checkJson(text, { maxDepth: MAX_DEPTH, maxValues: MAX_VALUES });
    if (problem !== null) throw new CheckpointError(`${name}: ${problem}`);
    return JSON.parse(text);
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    const start = new TextDecoder().decode(bytes.subarray(0, 40));
    const what = /^\s*</.test(start) ? "it looks like a web page" : `it begins with ${JSON.stringify(start)}`;
    throw new CheckpointError(`${name} is not JSON (${what})`, { cause });
  }
}
