import { closeSync, openSync, readSync } from "node:fs";

/** A part of a weight file, in a buffer of its own; blocks the thread, as the writers of ONNX files do. */
export function readBytes(path: string, offset: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const file = openSync(path, "r");
  try {
    for (let done = 0; done < length;) {
      const count = readSync(file, bytes, done, length - done, offset + done);
      if (count === 0) throw new Error(`${path} ends at byte ${offset + done}; run "alsatian index --verify"`);
      done += count;
    }
  } finally {
    closeSync(file);
  }
  return bytes;
}
