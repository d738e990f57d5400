import type { TensorInfo } from "../../crawler/export/graph.ts";
import type { ChainBlock } from "./candidate.ts";

/** Items `begin` (included) to `end` (excluded) of a search: the training items in shuffled order, then the test set. */
export interface ItemRange {
  readonly begin: number;
  readonly end: number;
}

/** Names a result in memory while a plan runs. */
export type Slot = string;

/** Whose memory bytes take: the machine's, or that of the device which inference runs on. */
export type Memory = "host" | "device";

/** Bytes in each memory. */
export type MemoryBytes = Readonly<Record<Memory, number>>;

/**
 * Where a result is: in the device's memory, in the machine's, or on disk, where it is written and read a batch at a time
 * and takes the memory of a batch.
 */
export type Place = "device" | "memory" | "disk";

export const memoryOf = (place: Place): Memory => (place === "device" ? "device" : "host");

/** A run of blocks that is executed as one graph. */
export interface Segment {
  /** The results that it leads from and to. */
  readonly id: string;
  readonly blocks: readonly ChainBlock[];
  /** The preprocessing of its tree. */
  readonly root: string;
  /** Whether it takes the preprocessed items themselves. */
  readonly isFirst: boolean;
  /** Shape of the items that it takes, and of those that it makes. */
  readonly input: TensorInfo;
  readonly output: TensorInfo;
  readonly weightBytes: number;
  /** Where it runs and has its weights: on the CPU, or on the device. */
  readonly on: Memory;
  /** Whether what it makes stays on the device. */
  readonly stays: boolean;
}

/** One thing that a runner does. Plain data: printable, storable, comparable. */
export type Step =
  /** Brings a segment's weights into memory, where they are until `unload`. */
  | {
      readonly kind: "load";
      readonly segment: string;
      readonly memory: Memory;
      readonly bytes: number;
      /** Whether it may go on beside the steps that follow, up to the one that runs the segment. */
      readonly beside: boolean;
    }
  | { readonly kind: "unload"; readonly segment: string; readonly memory: Memory; readonly bytes: number }
  /** Brings preprocessed items into memory. */
  | {
      readonly kind: "input";
      readonly root: string;
      readonly items: ItemRange;
      readonly to: Slot;
      readonly bytes: number;
      readonly place: Place;
    }
  /** BI-step: computes a result from another. */
  | {
      readonly kind: "run";
      readonly segment: string;
      readonly from: Slot;
      readonly to: Slot;
      /** The preprocessed items, for segments that read more of them than the value before (a mask). */
      readonly inputs: Slot;
      readonly items: ItemRange;
      readonly bytes: number;
      readonly place: Place;
    }
  /** Keeps the feature of some of a slot's items, which lie in a range, beyond the plan; the slot stays. */
  | {
      readonly kind: "keep";
      readonly feature: string;
      readonly range: ItemRange;
      readonly items: ItemRange;
      readonly from: Slot;
    }
  /**
   * SM-step: begins to train the proxy on the features of some ranges and to test it, for the models that share the
   * feature, beside the steps that follow.
   */
  | {
      readonly kind: "score";
      readonly feature: string;
      readonly models: readonly string[];
      readonly train: readonly ItemRange[];
      readonly test: ItemRange;
      readonly bytes: number;
    }
  /** Waits for a score, which then takes no more memory. */
  | { readonly kind: "scored"; readonly feature: string; readonly bytes: number }
  /** MC-step: frees a result. */
  | { readonly kind: "release"; readonly slot: Slot; readonly memory: Memory; readonly bytes: number };

/** A segment whose weights are in memory. */
export interface LoadedSegment {
  readonly segment: string;
  readonly memory: Memory;
  readonly bytes: number;
}

/** The steps of a round, and what they take. */
export interface Plan {
  readonly segments: Readonly<Record<string, Segment>>;
  readonly steps: readonly Step[];
  /** Segments that are loaded when the plan begins, and those that it leaves loaded for the next one. */
  readonly loadedBefore: readonly LoadedSegment[];
  readonly loadedAfter: readonly LoadedSegment[];
  /** Items that go through a graph together. */
  readonly batchSize: number;
  /** Batches that can be under way at a time: what is read and written a batch at a time takes so many times its memory. */
  readonly lanes: number;
  /** Highest sum of results, weights and features in each memory. */
  readonly peakBytes: MemoryBytes;
  /** Weights that are brought into memory, each time they are. */
  readonly loadBytes: number;
  /** Items through blocks: the work, as the paper counts it. */
  readonly blockItems: number;
  readonly flops: number;
  /** Items that go through the trees together. */
  readonly chunkItems: number;
}

export const rangeLength = ({ begin, end }: ItemRange): number => end - begin;

export function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
