import { open, readFile, stat } from "node:fs/promises";
import type { ImageItem } from "./data-set.ts";

/** No camera's picture is larger; a file of a gigabyte is not read into memory to find that out. */
const MAX_FILE_BYTES = 512 * 2 ** 20;

/** The bytes of an item's picture, still encoded. */
export async function readItem({ path, range }: Pick<ImageItem, "path" | "range">): Promise<Uint8Array> {
  if (range === undefined) {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES / 2 ** 20} MiB`);
    return readFile(path);
  }
  const bytes = new Uint8Array(range.end - range.begin);
  const file = await open(path);
  try {
    const { bytesRead } = await file.read(bytes, 0, bytes.length, range.begin);
    if (bytesRead < bytes.length) throw new Error(`${path} ends at ${range.begin + bytesRead}, before ${range.end}`);
  } finally {
    await file.close();
  }
  return bytes;
}
