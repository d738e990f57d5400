import { writeSync } from "node:fs";

/** Writes bytes at a place of an open file, all of them; blocks the thread. @param position default: where the file stands */
export function writeFully(file: number, bytes: Uint8Array, position: number | null = null): void {
  for (let done = 0; done < bytes.byteLength;) {
    done += writeSync(file, bytes, done, bytes.byteLength - done, position === null ? null : position + done);
  }
}
