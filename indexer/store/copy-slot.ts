import { createReadStream } from "node:fs";
import { CheckpointError } from "../../crawler/errors.ts";
import type { BlockGraph } from "../../crawler/export/graph.ts";
import { layoutWeights } from "../../crawler/export/weight-layout.ts";
import type { BlockDraft, BlockStore } from "./block-store.ts";

/**
 * Copies the values of a slot from a block of the store into the same slot of a draft with the same graph.
 * @throws CheckpointError when the store's file is cut or gone
 */
export async function copySlot(
  store: BlockStore,
  from: { readonly blockId: string; readonly slot: number },
  graph: BlockGraph,
  draft: BlockDraft,
): Promise<void> {
  const { offset, length } = layoutWeights(graph).slots[from.slot] ?? { offset: 0, length: 0 };
  if (length === 0) return;
  const path = store.weightsPath(from.blockId);
  let done = 0;
  try {
    for await (const chunk of createReadStream(path, {
      start: offset,
      end: offset + length - 1,
    }) as AsyncIterable<Uint8Array>) {
      await draft.write(from.slot, done, chunk);
      done += chunk.byteLength;
    }
  } catch (cause) {
    throw new CheckpointError(damaged(from.blockId), { cause });
  }
  if (done !== length) throw new CheckpointError(damaged(from.blockId));
}

/** What to do about a block of the store that is not what its id says. */
export const damaged = (blockId: string): string =>
  `block ${blockId} of the store, which it shares, is damaged: run "alsatian index --verify", then crawl again`;
