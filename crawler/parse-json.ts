import { CheckpointError } from "./errors.ts";

/** Configurations of real models are below 1 MB, class names of ImageNet-21k included; the parser's stack bounds depth. */
export const MAX_CONFIG_BYTES = 5_000_000;

/**
 * JSON of a hub's file.
 * @param name the file, for the message
 * @throws CheckpointError when it is not JSON
 */
export function parseJsonFile(bytes: Uint8Array, name: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    const start = new TextDecoder().decode(bytes.subarray(0, 40));
    const what = /^\s*</.test(start) ? "it looks like a web page" : `it begins with ${JSON.stringify(start)}`;
    throw new CheckpointError(`${name} is not JSON (${what})`, { cause });
  }
}
