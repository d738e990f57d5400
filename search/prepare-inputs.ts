import type { ImageItem } from "./data/data-set.ts";
import { openInputs } from "./data/input-cache.ts";
import type { SearchCandidate } from "./load-candidates.ts";
import type { RootInputs } from "./run/root-inputs.ts";

export interface PrepareInputsOptions {
  readonly home: string;
  /** In the data set's own order. */
  readonly items: readonly ImageItem[];
  readonly candidates: readonly SearchCandidate[];
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Prepares the items for every preprocessing that the candidates have, and keeps them on disk.
 * @returns where the inputs of each root of the task forest are
 * @throws BadItemsError naming all pictures that cannot be read
 */
export async function prepareInputs(options: PrepareInputsOptions): Promise<Map<string, RootInputs>> {
  const { home, items, candidates, threads, signal, onProgress } = options;
  const roots = new Map<string, RootInputs>();
  for (const { root, preprocessing } of candidates) {
    if (roots.has(root.key)) continue;
    const inputs = await openInputs({ home, items, preprocessing, signal, threads, onProgress });
    await inputs.close();
    roots.set(root.key, {
      kind: "pictures",
      path: inputs.path,
      dims: root.info.dims,
      scale: preprocessing.scale,
      bias: preprocessing.bias,
    });
  }
  return roots;
}
