import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { ImageItem } from "./data-set.ts";

/** No camera's picture is larger; a file of a gigabyte is not read into memory to find that out. */
const MAX_FILE_BYTES = 512 * 2 ** 20;

/**
 * The bytes of an item's picture, still encoded. Blocks the thread: waiting for it otherwise takes several times as long
 * as reading a picture does.
 */
export function readItem({ path, range }: Pick<ImageItem, "path" | "range">): Uint8Array {
  const file = openSync(path, "r");
  try {
    const { begin, end } = range ?? { begin: 0, end: fstatSync(file).size };
    if (end - begin > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES / 2 ** 20} MiB`);
    const bytes = new Uint8Array(end - begin);
    for (let done = 0; done < bytes.length;) {
      const count = readSync(file, bytes, done, bytes.length - done, begin + done);
      if (count === 0) throw new Error(`${path} ends at ${begin + done}, before ${end}`);
      done += count;
    }
    return bytes;
  } finally {
    closeSync(file);
  }
}
