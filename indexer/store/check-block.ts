import { open } from "node:fs/promises";
import { graphHash, startTensorHash, blockId, weightsHash } from "../hash-block.ts";
import { layoutWeights } from "../../crawler/export/weight-layout.ts";
import type { BlockStore } from "./block-store.ts";

/** What the catalog says a stored block is. */
export interface ExpectedBlock {
  readonly blockId: string;
  readonly graphHash: string;
}

const CHUNK_BYTES = 1 << 20;

/**
 * Hashes a stored block anew, streaming.
 * @returns what is wrong with it, or null when it is what its id says
 */
export async function checkBlock(store: BlockStore, expected: ExpectedBlock): Promise<string | null> {
  if (!(await store.has(expected.blockId))) return "its file is missing";
  const graph = await store.readGraph(expected.graphHash).catch(() => null);
  if (!graph || graphHash(graph) !== expected.graphHash) return "its graph is damaged or missing";
  const { slots, bytes } = layoutWeights(graph);
  const file = await open(store.weightsPath(expected.blockId)).catch(() => null);
  if (!file) return "its weights are missing";
  try {
    const { size } = await file.stat();
    if (size !== bytes) return `its weights have ${size} bytes instead of ${bytes}`;
    const hashes: string[] = [];
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    for (const [slot, { offset, length }] of slots.entries()) {
      const hash = startTensorHash(graph.slots[slot] ?? []);
      for (let done = 0; done < length;) {
        const { bytesRead } = await file.read(chunk, 0, Math.min(CHUNK_BYTES, length - done), offset + done);
        if (bytesRead === 0) return "its weights end early";
        hash.update(chunk.subarray(0, bytesRead));
        done += bytesRead;
      }
      hashes.push(hash.digest("hex"));
    }
    const actual = blockId(expected.graphHash, weightsHash(hashes));
    return actual === expected.blockId ? null : "its weights have other values than its id says";
  } finally {
    await file.close();
  }
}
