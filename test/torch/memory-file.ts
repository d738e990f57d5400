import { readFileSync } from "node:fs";
import { packageFile } from "../../crawler/package-file.ts";
import type { TorchFile } from "../../crawler/checkpoint/torch/open-torch-file.ts";

/** A file in memory that accepts only reads inside it, and counts what is read. */
export function memoryFile(bytes: Uint8Array): TorchFile & { readonly bytesRead: number; readonly reads: number } {
  const file = {
    size: bytes.byteLength,
    bytesRead: 0,
    reads: 0,
    read(begin: number, end: number): Promise<Uint8Array> {
      if (!(begin >= 0 && begin <= end && end <= bytes.byteLength)) {
        throw new RangeError(`bytes ${begin}-${end} of a file of ${bytes.byteLength}`);
      }
      file.bytesRead += end - begin;
      file.reads++;
      return Promise.resolve(bytes.slice(begin, end));
    },
  };
  return file;
}

/** A file that torch.save wrote (torch 2.13); `expected.json` beside it has its values. */
export const torchFixture = (name: string): Uint8Array =>
  Uint8Array.from(readFileSync(packageFile("test", "torch", "fixtures", name)));
