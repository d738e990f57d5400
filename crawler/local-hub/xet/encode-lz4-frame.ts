import { LZ4_FLAGS, LZ4_MAGIC, LZ4_STORED } from "../../xet/decode-lz4-frame.ts";
import { xxh32 } from "../../xet/xxh32.ts";

/** Largest block of a frame whose descriptor says "256 KiB": a chunk is one block. */
const BLOCK_256_KIB = 5 << 4;
const MIN_MATCH = 4;
/** The last match must begin 12 bytes before a block's end, and the last 5 bytes are literals (lz4_Block_format.md). */
const MATCH_LIMIT = 12;
const LAST_LITERALS = 5;
const MAX_DISTANCE = 0xffff;
const HASH_BITS = 14;

/** Packs up to 256 KiB into one LZ4 frame of independent blocks, with a checksum of the content. */
export function encodeLz4Frame(bytes: Uint8Array): Uint8Array {
  const packed = encodeBlock(bytes);
  const isStored = packed.byteLength >= bytes.byteLength;
  const block = isStored ? bytes : packed;
  const descriptor = Uint8Array.of(LZ4_FLAGS.version | LZ4_FLAGS.independent | LZ4_FLAGS.checksum, BLOCK_256_KIB);
  const word = (value: number): Uint8Array => {
    const four = Buffer.alloc(4);
    four.writeUInt32LE(value >>> 0);
    return four;
  };
  return Buffer.concat([
    word(LZ4_MAGIC),
    descriptor,
    Uint8Array.of((xxh32(descriptor) >>> 8) & 0xff),
    ...(bytes.byteLength > 0 ? [word(block.byteLength | (isStored ? LZ4_STORED : 0)), block] : []),
    word(0),
    word(xxh32(bytes)),
  ]);
}

/** Greedy matches through a table of the last place of every hash of four bytes. */
function encodeBlock(bytes: Uint8Array): Uint8Array {
  const input = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const table = new Int32Array(1 << HASH_BITS).fill(-1);
  const output = Buffer.alloc(bytes.byteLength + Math.ceil(bytes.byteLength / 255) + 16);
  let at = 0;
  let to = 0;
  let literalsFrom = 0;
  const writeLength = (rest: number): void => {
    for (; rest >= 255; rest -= 255) output[to++] = 255;
    output[to++] = rest;
  };
  const writeSequence = (
    literals: number,
    match: { readonly distance: number; readonly length: number } | null,
  ): void => {
    const extra = match ? match.length - MIN_MATCH : 0;
    output[to++] = (Math.min(literals, 15) << 4) | Math.min(extra, 15);
    if (literals >= 15) writeLength(literals - 15);
    output.set(bytes.subarray(literalsFrom, literalsFrom + literals), to);
    to += literals;
    if (!match) return;
    output.writeUInt16LE(match.distance, to);
    to += 2;
    if (extra >= 15) writeLength(extra - 15);
  };
  while (at + MATCH_LIMIT <= bytes.byteLength) {
    const word = input.getUint32(at, true);
    const slot = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS);
    const from = table[slot] ?? -1;
    table[slot] = at;
    if (from < 0 || at - from > MAX_DISTANCE || input.getUint32(from, true) !== word) {
      at++;
      continue;
    }
    let length = MIN_MATCH;
    while (at + length < bytes.byteLength - LAST_LITERALS && bytes[from + length] === bytes[at + length]) length++;
    writeSequence(at - literalsFrom, { distance: at - from, length });
    at += length;
    literalsFrom = at;
  }
  writeSequence(bytes.byteLength - literalsFrom, null);
  return output.subarray(0, to);
}
