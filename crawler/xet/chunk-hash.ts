import { createBLAKE3 } from "hash-wasm";

/** Key of the hashes of chunks (DATA_KEY of https://huggingface.co/docs/xet/hashing). */
const DATA_KEY = Uint8Array.of(
  ...[102, 151, 245, 119, 91, 149, 80, 222, 49, 53, 203, 172, 165, 151, 24, 28],
  ...[157, 228, 33, 16, 155, 235, 43, 88, 180, 208, 176, 75, 147, 173, 242, 41],
);

const hasher = createBLAKE3(256, DATA_KEY);

/** The hash that names a chunk: blake3 with the published key, 32 bytes. */
export async function hashChunk(chunk: Uint8Array): Promise<Uint8Array> {
  const blake3 = await hasher;
  return blake3.init().update(chunk).digest("binary"); // one step, so calls cannot mix
}
