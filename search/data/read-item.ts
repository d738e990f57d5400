import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { ImageItem } from "./data-set.ts";

type Place = Pick<ImageItem, "path" | "range">;

/** No camera's picture is larger; a file of a gigabyte is not read into memory to find that out. */
const MAX_FILE_BYTES = 512 * 2 ** 20;
/** What `readItemBriefly` keeps to read into. */
const SMALL_BYTES = 64 * 1024;

/**
 * The bytes of an item's picture, still encoded. Blocks the thread: waiting for it otherwise takes several times as long
 * as reading a picture does.
 */
export function readItem(item: Place): Uint8Array {
  return read(item, null);
}

const small = new Uint8Array(SMALL_BYTES);

/** As `readItem`, but the next call may overwrite the bytes: thousands of small pictures are no garbage then. */
export function readItemBriefly(item: Place): Uint8Array {
  return read(item, small);
}

/** @param room for a picture that is smaller */
function read({ path, range }: Place, room: Uint8Array | null): Uint8Array {
  const file = openSync(path, "r");
  try {
    if (!range && room) {
      const count = fill(file, room, 0);
      if (count < room.length) return room.subarray(0, count);
    }
    const { begin, end } = range ?? { begin: 0, end: fstatSync(file).size };
    if (end - begin > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES / 2 ** 20} MiB`);
    const bytes = room && end - begin <= room.length ? room.subarray(0, end - begin) : new Uint8Array(end - begin);
    const count = fill(file, bytes, begin);
    if (count < bytes.length) throw new Error(`${path} ends at ${begin + count}, before ${end}`);
    return bytes;
  } finally {
    closeSync(file);
  }
}

/** @returns how many bytes there were, if fewer */
function fill(file: number, bytes: Uint8Array, begin: number): number {
  let done = 0;
  while (done < bytes.length) {
    const count = readSync(file, bytes, done, bytes.length - done, begin + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}
