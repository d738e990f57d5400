import { closeSync, openSync, readSync } from "node:fs";

/** What to do about a file of the store that is too short. */
export const CHECK_STORE = 'run "alsatian index --verify"';

/** A part of a weight file, in a buffer of its own; blocks the thread, as the writers of ONNX files do. */
export function readBytes(path: string, offset: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const file = openSync(path, "r");
  try {
    readExactly(file, path, bytes, offset, CHECK_STORE);
  } finally {
    closeSync(file);
  }
  return bytes;
}

/**
 * Fills bytes from a place of an open file; blocks the thread.
 * @param remedy what to do when the file ends before
 */
export function readExactly(file: number, path: string, bytes: Uint8Array, position: number, remedy: string): void {
  for (let done = 0; done < bytes.byteLength;) {
    const count = readSync(file, bytes, done, bytes.byteLength - done, position + done);
    if (count === 0) throw new Error(`${path} ends at byte ${position + done}; ${remedy}`);
    done += count;
  }
}
