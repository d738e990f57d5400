import type { CatalogWriter } from "./catalog/catalog-writer.ts";
import type { BlockStore } from "./store/block-store.ts";
import type { StoreLease } from "./store/store-lease.ts";

export interface CollectedGarbage {
  /** Blocks whose files were removed because no model needs them. */
  readonly removed: number;
  readonly removedBytes: number;
  /** Blocks that a running command may still read; a later collection removes them. */
  readonly deferred: number;
}

/**
 * Removes the files of blocks that no model needs any more. The caller holds the catalog's writer, so no crawl adds any
 * meanwhile. A search that runs may know a block from a catalog in which a model still needed it. So the catalog without
 * the blocks is published first, and a block goes only when every running command began after that: then none has ever
 * seen a catalog with it.
 * @param options.leases the commands that run now, asked for after the catalog was published
 */
export async function collectGarbage(options: {
  readonly writer: CatalogWriter;
  readonly store: BlockStore;
  readonly leases: () => Promise<readonly StoreLease[]>;
  readonly signal?: AbortSignal | undefined;
}): Promise<CollectedGarbage> {
  const { writer, store, signal } = options;
  await writer.pruneBlocks();
  await writer.publish();
  const known = new Set((await writer.blocks()).map(({ blockId }) => blockId));
  const unneeded = new Map<string, number>();
  for await (const { blockId, bytes } of store.list()) if (!known.has(blockId)) unneeded.set(blockId, bytes);
  const since = await writer.noteGarbage([...unneeded.keys()]);
  const oldest = (await options.leases()).map(({ startedAt }) => startedAt).sort()[0];
  let removed = 0;
  let removedBytes = 0;
  for (const [blockId, bytes] of unneeded) {
    signal?.throwIfAborted();
    const time = since.get(blockId);
    if (oldest !== undefined && (time === undefined || oldest <= time)) continue;
    await store.remove(blockId);
    removed++;
    removedBytes += bytes;
  }
  await store.removeTemporary();
  return { removed, removedBytes, deferred: unneeded.size - removed };
}
