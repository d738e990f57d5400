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
  /** Told now and then up to (without) which place of the search's order the items of a root can be read. */
  readonly onReadable?: (root: string, end: number) => void;
}

export interface PreparedInputs {
  /** Where the inputs of each root of the task forest are. */
  readonly roots: ReadonlyMap<string, RootInputs>;
  /**
   * For each root, resolves when its items are prepared; one root after the other.
   * @throws BadItemsError naming all pictures that cannot be read
   */
  readonly ready: ReadonlyMap<string, Promise<void>>;
  /** Resolves when they will be there after a power loss too. */
  readonly kept: Promise<void>;
}

/** Prepares the items for every preprocessing that the candidates have, and keeps them on disk: pictures meanwhile. */
export async function prepareInputs(options: PrepareInputsOptions): Promise<PreparedInputs> {
  const roots = new Map<string, RootInputs>();
  const ready = new Map<string, Promise<void>>();
  const kept: Promise<void>[] = [];
  let last = Promise.resolve();
  for (const candidate of options.candidates) {
    const { key } = candidate.root;
    if (roots.has(key)) continue;
    const prepared = await prepareRoot(candidate, options, last);
    roots.set(key, prepared.inputs);
    ready.set(key, (last = prepared.ready));
    kept.push(prepared.kept);
  }
  const all = Promise.all(kept).then(() => undefined);
  all.catch(() => undefined); // seen by those who wait for it
  return { roots, ready, kept: all };
}

interface PreparedRoot {
  readonly inputs: RootInputs;
  readonly ready: Promise<void>;
  readonly kept: Promise<void>;
}

async function prepareRoot(
  { root, preprocessing, inputNames }: SearchCandidate,
  { home, dataSet, fingerprint, rows, threads, signal, onProgress, onReadable }: PrepareInputsOptions,
  after: Promise<void>,
): Promise<PreparedRoot> {
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
    const { padId } = preprocessing;
    const inputs: RootInputs = { kind: "tokens", path, offsets, lengths: inOrder, padId, names: inputNames };
    return { inputs, ready: Promise.resolve(), kept: Promise.resolve() };
  }
  if (dataSet.kind !== "image") throw new Error("a picture model on texts");
  const items = [...dataSet.train, ...dataSet.test];
  const { path, unfinishedPath, ready, kept } = await openInputs({
    ...{ home, items, preprocessing, fingerprint, signal, threads, onProgress, after, order: rows },
    onReadable: (end) => onReadable?.(root.key, end),
  });
  const { scale, bias } = preprocessing;
  const { dims } = root.info;
  return { inputs: { kind: "pictures", path, unfinishedPath, dims, scale, bias }, ready, kept };
}
