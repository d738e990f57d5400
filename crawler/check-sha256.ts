import { createHash } from "node:crypto";
import { CheckpointError } from "./errors.ts";

/**
 * Passes a file's bytes on, and compares them with its sha256 at the end.
 * @throws CheckpointError when they are others
 */
export async function* checkSha256(
  bytes: AsyncIterable<Uint8Array>,
  file: { readonly path: string; readonly sha256: string },
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  for await (const chunk of bytes) {
    hash.update(chunk);
    yield chunk;
  }
  const actual = hash.digest("hex");
  if (actual !== file.sha256) {
    throw new CheckpointError(`${file.path}: its bytes have the sha256 ${actual}, the hub says ${file.sha256}`);
  }
}
