import type { TensorInfo } from "../../crawler/export/graph.ts";
import type { ByteRate } from "./extent.ts";

/** What a chain starts from: the items after one preprocessing. */
export interface ChainRoot {
  /** Names the preprocessed items; models with equal keys share them. */
  readonly key: string;
  /** Shape of an item. */
  readonly info: TensorInfo;
  /** 8-bit pictures: one byte a value. */
  readonly bytes: ByteRate;
  /** Blocks further down the chain read it too (the attention mask of a text), so it stays to the end. */
  readonly isKept: boolean;
}

/** One block of a candidate's chain, with what planning needs to know of it. */
export interface ChainBlock {
  readonly name: string;
  /** Names the block's result for an item: the Merkle chain from the root up to this block. */
  readonly prefixId: string;
  /** Null for the head, which has no weights. */
  readonly blockId: string | null;
  readonly graphHash: string;
  /** float32 bytes of its weights. */
  readonly weightBytes: number;
  readonly flopsPerItem: number;
  /** Shape of its result for an item. */
  readonly output: TensorInfo;
  readonly outputBytes: ByteRate;
  /** Names of its operators, each once: a device may lack one. */
  readonly operators: readonly string[];
}

/** A model that takes part in a search: its chain from preprocessed items to the feature. */
export interface Candidate {
  readonly modelId: string;
  readonly revision: string;
  readonly root: ChainRoot;
  /** The backbone's blocks, then the head; the last one's prefix id names the feature. */
  readonly blocks: readonly ChainBlock[];
}

/** Names what a candidate makes of an item. */
export const featureOf = ({ blocks }: Pick<Candidate, "blocks">): string => blocks.at(-1)?.prefixId ?? "";
