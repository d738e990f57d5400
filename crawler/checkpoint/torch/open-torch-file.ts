import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import type { TensorEntry } from "../safetensors-header.ts";
import { readLegacyHeader } from "./read-legacy-header.ts";
import { readZipHeader } from "./read-zip-header.ts";

/** A file of the repository, read by range. */
export interface TorchFile {
  readonly size: number;
  read(begin: number, end: number): Promise<Uint8Array>;
}

/** First bytes of a zip archive; torch writes them since 1.6. */
const ZIP_START = [0x50, 0x4b, 0x03, 0x04];
/** First byte of the older format: a pickle. */
const PICKLE_START = [0x80];

/**
 * Reads where the tensors of a file that torch.save wrote lie, by range; no weights are read. Its pickle is parsed as
 * data: nothing in it is executed.
 * @returns the tensors in the file's order; several may lie in the same bytes
 * @throws UnsupportedModelError when the file holds more than a state dict's tensors, CheckpointError when it lies
 */
export async function openTorchFile(file: TorchFile): Promise<TensorEntry[]> {
  const start = await file.read(0, Math.min(file.size, 4));
  const begins = (bytes: readonly number[]) => bytes.every((byte, index) => start[index] === byte);
  if (begins(ZIP_START)) return readZipHeader(file);
  if (start.byteLength < 4) throw new CheckpointError(`a torch file of ${file.size} bytes`);
  if (begins(PICKLE_START)) return readLegacyHeader(file);
  throw new UnsupportedModelError("its .bin file is in none of the formats that torch.save writes");
}
