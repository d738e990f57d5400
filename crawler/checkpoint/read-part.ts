import { CheckpointError } from "../errors.ts";
import type { Repository } from "../repository.ts";

/**
 * Reads bytes `begin` (included) to `end` (excluded) of a file into memory.
 * @throws CheckpointError when fewer arrive
 */
export async function readPart(
  repository: Repository,
  file: string,
  begin: number,
  end: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of repository.readRange(file, begin, end, signal)) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
  }
  if (bytes !== end - begin) throw new CheckpointError(`bytes ${begin}-${end} were asked for, ${bytes} arrived`);
  return Buffer.concat(chunks);
}
