import { XetError } from "./xet-error.ts";
import { xxh32 } from "./xxh32.ts";

/** First four bytes of every frame, as a little-endian word. */
export const LZ4_MAGIC = 0x184d2204;
/** Bits of the frame descriptor's first byte. */
export const LZ4_FLAGS = {
  version: 0x40,
  independent: 0x20,
  blockChecksum: 0x10,
  size: 0x08,
  checksum: 0x04,
  dictionary: 0x01,
};
/** High bit of a block's length: its bytes are stored as they are. */
export const LZ4_STORED = 0x80000000;
const MIN_MATCH = 4;

const fail = (problem: string): never => {
  throw new XetError(`LZ4 frame: ${problem}`);
};

/**
 * Unpacks one LZ4 frame (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md) and checks every checksum in it.
 * @param bytes the whole frame and nothing else
 * @param length of what it holds; no more is ever allocated
 * @throws XetError when the frame is malformed, or holds more or less
 */
export function decodeLz4Frame(bytes: Uint8Array, length: number): Uint8Array {
  const input = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { flags, dataStart } = readDescriptor(input, bytes, length);
  const output = new Uint8Array(length);
  let at = dataStart;
  let filled = 0;
  for (;;) {
    const word = readWord(input, at);
    at += 4;
    if (word === 0) break;
    const size = (word & ~LZ4_STORED) >>> 0;
    if (at + size > bytes.byteLength) fail(`a block of ${size} bytes at ${at} of ${bytes.byteLength}`);
    const block = bytes.subarray(at, at + size);
    at += size;
    if (flags & LZ4_FLAGS.blockChecksum) {
      if (readWord(input, at) !== xxh32(block)) fail("a block's checksum is wrong");
      at += 4;
    }
    if (word & LZ4_STORED) {
      if (filled + size > length) fail(`it holds more than ${length} bytes`);
      output.set(block, filled);
      filled += size;
    } else {
      filled = decodeBlock(block, output, filled, flags & LZ4_FLAGS.independent ? filled : 0);
    }
  }
  if (flags & LZ4_FLAGS.checksum) {
    if (readWord(input, at) !== xxh32(output.subarray(0, filled))) fail("the content's checksum is wrong");
    at += 4;
  }
  if (filled !== length) fail(`it holds ${filled} bytes, ${length} were announced`);
  if (at !== bytes.byteLength) fail(`${bytes.byteLength - at} bytes follow its end`);
  return output;
}

function readDescriptor(input: DataView, bytes: Uint8Array, length: number): { flags: number; dataStart: number } {
  if (input.byteLength < 7) fail(`${input.byteLength} bytes are too few`);
  if (input.getUint32(0, true) !== LZ4_MAGIC) fail("it does not begin as one");
  const flags = input.getUint8(4);
  if ((flags & 0xc0) !== LZ4_FLAGS.version) fail(`unknown version ${flags >> 6}`);
  if (flags & LZ4_FLAGS.dictionary) fail("it needs a dictionary, which the protocol does not have");
  let at = 6;
  if (flags & LZ4_FLAGS.size) {
    if (input.byteLength < at + 9) fail("it ends in its descriptor");
    const size = input.getBigUint64(at, true);
    if (size !== BigInt(length)) fail(`it announces ${size} bytes, its chunk ${length}`);
    at += 8;
  }
  const checksum = (xxh32(bytes.subarray(4, at)) >>> 8) & 0xff;
  if (input.getUint8(at) !== checksum) fail("its descriptor's checksum is wrong");
  return { flags, dataStart: at + 1 };
}

const readWord = (input: DataView, at: number): number =>
  at + 4 <= input.byteLength ? input.getUint32(at, true) : fail("it ends early");

/**
 * Unpacks one block (lz4_Block_format.md) into `output` from `begin` on.
 * @param window first byte of `output` that matches may reach back to
 * @returns where it ends in `output`
 */
function decodeBlock(block: Uint8Array, output: Uint8Array, begin: number, window: number): number {
  const end = block.byteLength;
  let at = 0;
  let filled = begin;
  const readLength = (short: number): number => {
    let length = short;
    if (short === 15) {
      let more: number;
      do {
        if (at >= end) fail("a length goes beyond its block");
        more = block[at++] ?? 0;
        length += more;
      } while (more === 255);
    }
    return length;
  };
  while (at < end) {
    const token = block[at++] ?? 0;
    const literals = readLength(token >> 4);
    if (at + literals > end) fail("literals go beyond their block");
    if (filled + literals > output.byteLength) fail(`it holds more than ${output.byteLength} bytes`);
    output.set(block.subarray(at, at + literals), filled);
    at += literals;
    filled += literals;
    if (at === end) return filled; // the last sequence has no match
    if (at + 2 > end) fail("a match's distance goes beyond its block");
    const distance = (block[at] ?? 0) | ((block[at + 1] ?? 0) << 8);
    at += 2;
    const length = readLength(token & 15) + MIN_MATCH;
    const from = filled - distance;
    if (distance === 0 || from < window) fail(`a match reaches back ${distance} bytes, beyond the beginning`);
    if (filled + length > output.byteLength) fail(`it holds more than ${output.byteLength} bytes`);
    if (distance >= length) output.copyWithin(filled, from, from + length);
    else for (let i = 0; i < length; i++) output[filled + i] = output[from + i] ?? 0;
    filled += length;
  }
  return fail("a block ends without its last literals");
}
