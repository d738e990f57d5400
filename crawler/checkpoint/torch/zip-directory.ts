import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { ByteCursor } from "./byte-cursor.ts";

/** The file's end as a zip archive has it, with the longest possible comment, and the records of zip64 before it. */
export const ZIP_TAIL_BYTES = 22 + 65_535 + 20 + 56;
/** An entry takes some 80 bytes, a checkpoint has an entry a tensor and a few more. */
const MAX_DIRECTORY_BYTES = 64 * 2 ** 20;
const MAX_ENTRIES = 250_000;
/** Bytes of a local header before its name. */
export const LOCAL_HEADER_BYTES = 30;

const END_SIGNATURE = 0x06054b50;
const END64_LOCATOR_SIGNATURE = 0x07064b50;
const END64_SIGNATURE = 0x06064b50;
const ENTRY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const ZIP64_EXTRA = 0x0001;
/** In fields of the older form: see the zip64 record. */
const SEE_64 = 0xffffffff;

/** Where the central directory lies. */
export interface ZipDirectory {
  readonly begin: number;
  readonly end: number;
  readonly entries: number;
}

/** A file of an archive. Names are keys, never paths. */
export interface ZipEntry {
  readonly name: string;
  readonly nameBytes: number;
  readonly header: number;
  /** Of its bytes in the archive. */
  readonly size: number;
  /** As it is: neither compressed nor encrypted. torch writes its files so. */
  readonly isStored: boolean;
}

/**
 * Finds the central directory of a zip archive (PKWARE's APPNOTE.TXT, 4.3.12 to 4.3.16) from the file's last bytes.
 * @param tail the file's last ZIP_TAIL_BYTES, or all of it
 */
export function findZipDirectory(tail: Uint8Array, fileBytes: number): ZipDirectory {
  const base = fileBytes - tail.byteLength;
  const at = findEnd(tail);
  const end = new ByteCursor(tail, at + 10);
  let entries = end.uint16();
  let bytes = end.uint32();
  let begin = end.uint32();
  if (entries === 0xffff || bytes === SEE_64 || begin === SEE_64) {
    const record = findEnd64(tail, at, base);
    if (record !== null) [entries, bytes, begin] = record;
  }
  if (bytes > MAX_DIRECTORY_BYTES || entries > MAX_ENTRIES) {
    throw new CheckpointError(`a zip directory of ${entries} entries, ${bytes} bytes: more than the limit`);
  }
  if (begin + bytes > base + at) throw new CheckpointError("the zip directory lies beyond the archive");
  return { begin, end: begin + bytes, entries };
}

function findEnd(tail: Uint8Array): number {
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  for (let at = tail.byteLength - 22; at >= 0; at--) {
    if (view.getUint32(at, true) !== END_SIGNATURE) continue;
    if (at + 22 + view.getUint16(at + 20, true) === tail.byteLength) return at;
  }
  throw new CheckpointError("the zip archive has no end: the file is cut off");
}

function findEnd64(tail: Uint8Array, endAt: number, base: number): [number, number, number] | null {
  if (endAt < 20) return null;
  const locator = new ByteCursor(tail, endAt - 20);
  if (locator.uint32() !== END64_LOCATOR_SIGNATURE) return null;
  locator.uint32();
  const at = locator.uint64() - base;
  if (at < 0 || at > endAt - 76) throw new CheckpointError("the zip64 record lies elsewhere than before the end");
  const record = new ByteCursor(tail, at);
  if (record.uint32() !== END64_SIGNATURE) throw new CheckpointError("the zip64 record has a wrong signature");
  record.bytes(28);
  return [record.uint64(), record.uint64(), record.uint64()];
}

/**
 * Entries of the central directory (APPNOTE.TXT, 4.3.12).
 * @param dataEnd where the directory begins: every entry must lie before it
 */
export function parseZipDirectory(bytes: Uint8Array, count: number, dataEnd: number): ZipEntry[] {
  const cursor = new ByteCursor(bytes);
  const entries: ZipEntry[] = [];
  const names = new Set<string>();
  for (let index = 0; index < count; index++) {
    const entry = parseEntry(cursor);
    const shown = JSON.stringify(entry.name.slice(0, 200));
    if (entry.header + LOCAL_HEADER_BYTES + entry.nameBytes + entry.size > dataEnd) {
      throw new CheckpointError(`zip entry ${shown} lies beyond the archive`);
    }
    if (names.has(entry.name)) throw new CheckpointError(`two zip entries ${shown}`);
    names.add(entry.name);
    entries.push(entry);
  }
  return entries;
}

function parseEntry(cursor: ByteCursor): ZipEntry {
  if (cursor.uint32() !== ENTRY_SIGNATURE) throw new CheckpointError("the zip directory has a wrong signature");
  cursor.bytes(4);
  const flags = cursor.uint16();
  const method = cursor.uint16();
  cursor.bytes(8);
  const packed = cursor.uint32();
  const size = cursor.uint32();
  const nameBytes = cursor.uint16();
  const extraBytes = cursor.uint16();
  const commentBytes = cursor.uint16();
  cursor.bytes(8);
  const header = cursor.uint32();
  const name = new TextDecoder().decode(cursor.bytes(nameBytes));
  const wide = zip64Numbers(cursor.bytes(extraBytes), [size, packed, header]);
  cursor.bytes(commentBytes);
  const isStored = (flags & 1) === 0 && method === 0 && wide[0] === wide[1];
  return { name, nameBytes, header: wide[2], size: wide[1], isStored };
}

/** @throws UnsupportedModelError for an entry that would have to be unpacked: no archive can unfold into more than it is */
export function expectStored({ name, isStored }: ZipEntry): void {
  if (isStored) return;
  const shown = JSON.stringify(name.slice(0, 200));
  throw new UnsupportedModelError(`zip entry ${shown} is compressed: torch stores its files as they are`);
}

/** Replaces numbers that did not fit by those of the zip64 field (APPNOTE.TXT, 4.5.3). */
function zip64Numbers(extra: Uint8Array, numbers: [number, number, number]): [number, number, number] {
  if (!numbers.includes(SEE_64)) return numbers;
  const cursor = new ByteCursor(extra);
  while (cursor.at + 4 <= extra.byteLength) {
    const id = cursor.uint16();
    const field = new ByteCursor(cursor.bytes(cursor.uint16()));
    if (id !== ZIP64_EXTRA) continue;
    const next = (value: number) => (value === SEE_64 ? field.uint64() : value);
    return [next(numbers[0]), next(numbers[1]), next(numbers[2])];
  }
  throw new CheckpointError("a zip64 entry without its sizes");
}

/** Where an entry's bytes begin, from its local header (APPNOTE.TXT, 4.3.7). */
export function parseLocalHeader(bytes: Uint8Array, { header, name, nameBytes }: ZipEntry): number {
  const cursor = new ByteCursor(bytes);
  if (cursor.uint32() !== LOCAL_SIGNATURE) {
    throw new CheckpointError(`zip entry ${JSON.stringify(name.slice(0, 200))} has no header at byte ${header}`);
  }
  cursor.bytes(22);
  if (cursor.uint16() !== nameBytes) throw new CheckpointError(`zip entry ${JSON.stringify(name)} has two names`);
  return header + LOCAL_HEADER_BYTES + nameBytes + cursor.uint16();
}
