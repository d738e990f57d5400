import { utimes } from "node:fs/promises";

/** Tells that a file of the caches was used, so that those used least lately can be removed (`prune-caches.ts`). */
export const markUsed = (path: string): Promise<void> => utimes(path, new Date(), new Date()).catch(() => undefined); // it may be gone by now
