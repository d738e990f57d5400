import { ungroupBytes } from "./byte-grouping.ts";
import { decodeLz4Frame } from "./decode-lz4-frame.ts";
import { XetError } from "./xet-error.ts";

/**
 * A xorb is a run of chunks, each behind a header of 8 bytes: version, compressed length (3 bytes, little endian),
 * compression, length (3 bytes) (https://huggingface.co/docs/xet/xorb).
 */
export const CHUNK_HEADER_BYTES = 8;
/** The chunker's upper bound (https://huggingface.co/docs/xet/chunking): a longer chunk breaks the protocol. */
export const MAX_CHUNK_BYTES = 128 * 1024;
/** What compression may add: writers store a chunk as it is when it would become longer, so this is generous. */
const MAX_COMPRESSED_BYTES = 2 * MAX_CHUNK_BYTES;

export const COMPRESSION = { none: 0, lz4: 1, groupedLz4: 2 } as const;

export interface ChunkHeader {
  readonly compression: number;
  readonly compressedBytes: number;
  readonly bytes: number;
}

/** @throws XetError for an unknown version or compression, or lengths that no chunk has */
export function parseChunkHeader(header: Uint8Array): ChunkHeader {
  const number = (at: number): number =>
    (header[at] ?? 0) | ((header[at + 1] ?? 0) << 8) | ((header[at + 2] ?? 0) << 16);
  const [version = -1] = header;
  const parsed = { compression: header[4] ?? -1, compressedBytes: number(1), bytes: number(5) };
  if (version !== 0) throw new XetError(`a chunk of version ${version}, only 0 is known: update this program`);
  if (parsed.bytes === 0 || parsed.bytes > MAX_CHUNK_BYTES) {
    throw new XetError(`a chunk claims ${parsed.bytes} bytes, it may have 1 to ${MAX_CHUNK_BYTES}`);
  }
  if (parsed.compressedBytes > MAX_COMPRESSED_BYTES) {
    throw new XetError(
      `a chunk claims ${parsed.compressedBytes} compressed bytes, it may have ${MAX_COMPRESSED_BYTES}`,
    );
  }
  return parsed;
}

/** @throws XetError when the bytes are not what the header says */
function decodeChunk({ compression, bytes }: ChunkHeader, compressed: Uint8Array): Uint8Array {
  switch (compression) {
    case COMPRESSION.none:
      if (compressed.byteLength === bytes) return compressed;
      throw new XetError(`a chunk of ${bytes} bytes is stored as ${compressed.byteLength}`);
    case COMPRESSION.lz4:
      return decodeLz4Frame(compressed, bytes);
    case COMPRESSION.groupedLz4:
      return ungroupBytes(decodeLz4Frame(compressed, bytes));
    default:
      throw new XetError(`a chunk of unknown compression ${compression}: update this program`);
  }
}

/**
 * Splits the bytes of a xorb into its chunks, unpacked, while they arrive. Memory holds one chunk.
 * @throws XetError when a chunk is malformed or cut
 */
export async function* decodeXorb(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = [];
  let held = 0;
  let needed = CHUNK_HEADER_BYTES; // nothing is joined before so much is there, so small pieces cost no more than large
  for await (const piece of stream) {
    pieces.push(piece);
    held += piece.byteLength;
    if (held < needed) continue;
    let bytes: Uint8Array = pieces.length === 1 ? piece : Buffer.concat(pieces);
    for (needed = CHUNK_HEADER_BYTES; bytes.byteLength >= needed; needed = CHUNK_HEADER_BYTES) {
      const header = parseChunkHeader(bytes);
      needed += header.compressedBytes;
      if (bytes.byteLength < needed) break;
      yield decodeChunk(header, bytes.subarray(CHUNK_HEADER_BYTES, needed));
      bytes = bytes.subarray(needed);
    }
    pieces = [bytes];
    held = bytes.byteLength;
  }
  if (held > 0) throw new XetError(`a xorb ends in the middle of a chunk, ${held} bytes into it`);
}
