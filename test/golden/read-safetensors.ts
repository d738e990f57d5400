import { readFile } from "node:fs/promises";
import { toFloat32 } from "../../crawler/checkpoint/dtype.ts";
import { parseHeaderLength, parseSafetensorsHeader } from "../../crawler/checkpoint/safetensors-header.ts";

export interface LoadedTensor {
  readonly shape: readonly number[];
  readonly dtype: string;
  /** The stored bytes, in a buffer of their own. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** All tensors of a small safetensors file. */
export async function readSafetensors(path: string): Promise<Map<string, LoadedTensor>> {
  const file = await readFile(path);
  const header = parseHeaderLength(file, file.byteLength);
  return new Map(
    parseSafetensorsHeader(file.subarray(8, 8 + header), file.byteLength).map(({ name, shape, dtype, begin, end }) => [
      name,
      { shape, dtype, bytes: Uint8Array.from(file.subarray(begin, end)) },
    ]),
  );
}

export const floatsOf = ({ bytes }: LoadedTensor): Float32Array => toFloat32("F32", bytes);
