import type { DataSet } from "./data/data-set.ts";
import { openInputs } from "./data/input-cache.ts";
import { openTokens } from "./data/text/open-tokens.ts";
import type { SearchCandidate } from "./build-candidate.ts";
import type { RootInputs } from "./run/root-inputs.ts";

export interface PrepareInputsOptions {
  readonly home: string;
  readonly dataSet: DataSet;
  /** Names the items' contents. */
  readonly fingerprint: string;
  /** The row of each item of the search in the data set's own order. */
  readonly rows: Int32Array;
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
  const roots = new Map<string, RootInputs>();
  for (const candidate of options.candidates) {
    const { key } = candidate.root;
    if (!roots.has(key)) roots.set(key, await prepareRoot(candidate, options));
  }
  return roots;
}

async function prepareRoot(
  { root, preprocessing, inputNames }: SearchCandidate,
  { home, dataSet, fingerprint, rows, threads, signal, onProgress }: PrepareInputsOptions,
): Promise<RootInputs> {
  if ("kind" in preprocessing) {
    if (dataSet.kind !== "text") throw new Error("a text model on pictures");
    const items = [...dataSet.train, ...dataSet.test];
    const { path, lengths, offsets } = await openTokens({
      home,
      items,
      preprocessing,
      fingerprint,
      signal,
      onProgress,
    });
    const inOrder = Int32Array.from(rows, (row) => lengths[row] ?? 0);
    return { kind: "tokens", path, offsets, lengths: inOrder, padId: preprocessing.padId, names: inputNames };
  }
  if (dataSet.kind !== "image") throw new Error("a picture model on texts");
  const items = [...dataSet.train, ...dataSet.test];
  const inputs = await openInputs({ home, items, preprocessing, fingerprint, signal, threads, onProgress });
  await inputs.close();
  const { scale, bias } = preprocessing;
  return { kind: "pictures", path: inputs.path, dims: root.info.dims, scale, bias };
}
