import { CheckpointError } from "../errors.ts";
import type { CheckpointTensor } from "./open-checkpoint.ts";
import { parseHeaderLength, parseSafetensorsHeader, type TensorEntry } from "./safetensors-header.ts";

/** Before the header: its length. */
const LENGTH_BYTES = 8;

/**
 * Passes a safetensors file's bytes on, and compares its header with the one that was read before, apart: what says
 * where tensors lie is then as sure as the bytes themselves. The header is held in memory until the file has ended,
 * so that bytes which are not the hub's are found first to be that (`checkSha256`).
 * @param known all tensors of the checkpoint
 * @throws CheckpointError when the headers differ
 */
export async function* checkHeader(
  bytes: AsyncIterable<Uint8Array>,
  file: { readonly path: string; readonly size: number },
  known: Iterable<CheckpointTensor>,
): AsyncGenerator<Uint8Array> {
  const head: Uint8Array[] = [];
  let missing = LENGTH_BYTES;
  let hasLength = false;
  for await (const chunk of bytes) {
    let rest = chunk;
    while (missing > 0 && rest.byteLength > 0) {
      head.push(Uint8Array.from(rest.subarray(0, missing))); // the chunk's bytes are used again by who made it
      rest = rest.subarray(missing);
      missing -= head.at(-1)?.byteLength ?? 0;
      if (missing === 0 && !hasLength) {
        hasLength = true;
        missing = parseHeaderLength(Buffer.concat(head), file.size);
      }
    }
    yield chunk;
  }
  const entries = parseSafetensorsHeader(Buffer.concat(head).subarray(LENGTH_BYTES), file.size);
  const own = [...known].filter((tensor) => tensor.file === file.path);
  if (entries.map(textOf).sort().join("\n") !== own.map(textOf).sort().join("\n")) {
    throw new CheckpointError(`${file.path}: its header, read apart, was not the one that the file has`);
  }
}

const textOf = ({ name, dtype, shape, begin, end }: TensorEntry): string =>
  JSON.stringify([name, dtype, shape, begin, end]);
