import type { Precision } from "../crawler/export/precision.ts";
import type { DataSet } from "./data/data-set.ts";
import { fingerprintOf, hashDataSet } from "./data/fingerprint-items.ts";
import type { SearchCandidate } from "./build-candidate.ts";
import type { Device } from "./device/device.ts";
import { measurePictures, type BatchRule, type Measure } from "./plan/extent.ts";
import { measureTokens } from "./plan/token-batches.ts";
import { prepareInputs } from "./prepare-inputs.ts";
import type { RootInputs } from "./run/root-inputs.ts";
import type { ItemOrder } from "./item-order.ts";
import type { ProcessSetup } from "./run/process-message.ts";

export interface PrepareSearchOptions {
  readonly home: string;
  readonly candidates: readonly SearchCandidate[];
  readonly dataSet: DataSet;
  readonly order: ItemOrder;
  readonly budgetBytes: number;
  /** As of `SearchOptions`. */
  readonly cacheBytes?: number | undefined;
  readonly proxy: string;
  readonly threads: number;
  /** Default: the CPU. */
  readonly device?: Device | undefined;
  /** What inference computes in. Default: fp32. */
  readonly precision?: Precision | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onPrepared?: (done: number, total: number) => void;
  /** As of `PrepareInputsOptions`. */
  readonly onReadable?: (root: string, end: number) => void;
}

/** How much items are below each root: texts by their tokens, pictures by their number. */
export const measureOf =
  (roots: ReadonlyMap<string, RootInputs>, rule: BatchRule): Measure =>
  (root, range) => {
    const inputs = roots.get(root);
    return (inputs?.kind === "tokens" ? measureTokens(inputs.lengths, rule) : measurePictures(rule))(root, range);
  };

export interface PreparedSearch {
  readonly setup: ProcessSetup;
  /** As of `PreparedInputs`. */
  readonly ready: ReadonlyMap<string, Promise<void>>;
  /** Resolves when the prepared items will be there after a power loss too. */
  readonly kept: Promise<void>;
}

/** Begins to prepare all items, once for each preprocessing, and tells what is known of them before that is done. */
export async function prepareSearch(options: PrepareSearchOptions): Promise<PreparedSearch> {
  const { home, candidates, dataSet, order, proxy, budgetBytes, threads, signal, onPrepared, device = "cpu" } = options;
  const { precision = "fp32" } = options;
  const all = [...dataSet.train, ...dataSet.test];
  const { rows } = order;
  const hashes = await hashDataSet(dataSet, { signal });
  const { roots, ready, kept } = await prepareInputs({
    home,
    dataSet,
    fingerprint: fingerprintOf(hashes),
    rows,
    candidates,
    threads,
    signal,
    ...(onPrepared && { onProgress: onPrepared }),
    ...(options.onReadable && { onReadable: options.onReadable }),
  });
  const setup = {
    home,
    roots,
    proxy,
    classes: dataSet.classes.length,
    labels: Int32Array.from(rows, (row) => all[row]?.label ?? 0),
    itemHashes: Array.from(rows, (row) => hashes[row] ?? ""),
    rows,
    budgetBytes,
    cacheBytes: options.cacheBytes,
    threads,
    device,
    precision,
  };
  return { setup, ready, kept };
}
