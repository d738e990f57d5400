import type { Checkpoint, CheckpointTensor } from "../crawler/checkpoint/open-checkpoint.ts";
import type { Backbone } from "../crawler/export/graph.ts";
import { planRanges, type TensorRange } from "../crawler/fetch-tensors.ts";
import type { RepositoryFile } from "../crawler/repository.ts";
import { MAX_CHUNK_BYTES } from "../crawler/xet/xorb-chunk.ts";
import type { KnownTensor } from "./evidence/known-tensor.ts";

export type TensorSelection = "backbone" | "all";

/** What is to be read of a checkpoint. */
export interface ReadPlan {
  readonly ranges: readonly TensorRange[];
  /** Tensors that are wanted, in checkpoint order. */
  readonly wanted: readonly CheckpointTensor[];
  /** Files that are read from the first byte to the last, so that they can be compared with the hub's sha256. */
  readonly whole: ReadonlySet<string>;
  readonly requests: number;
  readonly bytes: number;
}

export interface PlanReadsOptions {
  readonly checkpoint: Checkpoint;
  readonly backbone: Backbone;
  readonly files: readonly RepositoryFile[];
  readonly tensors: TensorSelection;
  readonly known: ReadonlyMap<string, KnownTensor>;
  /** Read every weight file whole. */
  readonly verify: boolean;
}

/**
 * Between what is missing of a file that is known in part lies what is known. It is read along where it is shorter than a
 * chunk of the hub's store, which comes whole: two ranges further apart have no chunk in common.
 */
const KNOWN_GAP_BYTES = MAX_CHUNK_BYTES;

/**
 * Plans which byte ranges of a checkpoint are read: those of the wanted tensors of which nothing is known. A file of
 * which every tensor is wanted and none is known is read whole. Pure.
 */
export function planReads({ checkpoint, backbone, files, tensors, known, verify }: PlanReadsOptions): ReadPlan {
  const inBackbone = new Set(backbone.blocks.flatMap((block) => block.tensors.map(({ name }) => name)));
  const all = [...checkpoint.tensors.values()];
  const wanted = all.filter(({ name }) => tensors === "all" || inBackbone.has(name));
  const partlyKnown = new Set(all.flatMap(({ name, file }) => (known.has(name) ? [file] : [])));
  const isWhole = (path: string): boolean => verify || (tensors === "all" && !partlyKnown.has(path));
  const sizes = new Map(files.map(({ path, size }) => [path, size]));
  const whole = new Set(checkpoint.files.filter((path) => sizes.has(path) && isWhole(path)));
  const missing = wanted.filter(({ name }) => !known.has(name));
  const ranges = [
    ...planRanges(missing.filter(({ file }) => !whole.has(file) && !partlyKnown.has(file))),
    ...planRanges(
      missing.filter(({ file }) => !whole.has(file) && partlyKnown.has(file)),
      KNOWN_GAP_BYTES,
    ),
    ...[...whole].flatMap((path) => {
      const own = missing.filter(({ file }) => file === path);
      return wholeFile(path, sizes.get(path) ?? 0, own);
    }),
  ];
  const bytes = ranges.reduce((sum, range) => sum + range.end - range.begin, 0);
  return { ranges, wanted, whole, requests: ranges.length, bytes };
}

/** One range from end to end; tensors in bytes that it has read for another one are read apart. */
function wholeFile(file: string, size: number, tensors: readonly CheckpointTensor[]): TensorRange[] {
  const [first, ...more] = planRanges(tensors, Infinity);
  return [{ file, begin: 0, end: size, tensors: first?.tensors ?? [] }, ...more];
}
