import type { TensorInfo } from "../../crawler/export/graph.ts";
import type { ChainBlock } from "./candidate.ts";
import type { ByteRate } from "./extent.ts";
import type { Memory } from "./step.ts";
import type { TreeNode } from "./task-tree.ts";

/** A result that is kept: a root, a point where chains part, or a feature; with the segment that leads to it. */
export interface SegmentNode {
  readonly id: string;
  /** Shape of the result for an item. */
  readonly info: TensorInfo;
  readonly bytes: ByteRate;
  /** A root that stays until its whole tree has run. */
  readonly isKept: boolean;
  /** The segment: the run of blocks without a branch from the parent to here, executed as one graph. Empty at a root. */
  readonly blocks: readonly ChainBlock[];
  readonly weightBytes: number;
  /** Where the segment runs. */
  readonly on: Memory;
  readonly models: readonly string[];
  readonly children: readonly SegmentNode[];
}

export interface FuseOptions {
  /** A segment of several blocks has at most so many bytes of weights; default: any. */
  readonly mostBytes?: number;
  /** Where a block runs; a segment's blocks all run in one place. Default: on the CPU. */
  readonly placeBlock?: (block: ChainBlock) => Memory;
}

/** Fuses unbranched runs of a task tree's edges into segments; children are in order of their ids. */
export function fuseSegments(root: TreeNode, options: FuseOptions = {}): SegmentNode {
  const { mostBytes = Infinity, placeBlock = () => "host" } = options;
  const children = [...root.children.values()].map((child) => segmentFrom(child, { mostBytes, placeBlock }));
  return build(root, { blocks: [], on: "host" }, children);
}

function segmentFrom(first: TreeNode, options: Required<FuseOptions>): SegmentNode {
  const { mostBytes, placeBlock } = options;
  const blocks: ChainBlock[] = [];
  const placeOf = ({ block }: TreeNode): Memory => (block ? placeBlock(block) : "host");
  const on = placeOf(first);
  let bytes = 0;
  let node = first;
  for (;;) {
    if (node.block) blocks.push(node.block);
    bytes += node.block?.weightBytes ?? 0;
    const [only, ...others] = node.children.values();
    if (!only || others.length > 0 || node.models.size > 0) break;
    if (bytes + (only.block?.weightBytes ?? 0) > mostBytes || placeOf(only) !== on) break;
    node = only;
  }
  return build(
    node,
    { blocks, on },
    [...node.children.values()].map((child) => segmentFrom(child, options)),
  );
}

const build = (
  node: TreeNode,
  { blocks, on }: Pick<SegmentNode, "blocks" | "on">,
  children: readonly SegmentNode[],
): SegmentNode => ({
  id: node.id,
  info: node.info,
  bytes: node.bytes,
  isKept: node.isKept,
  blocks,
  weightBytes: blocks.reduce((sum, block) => sum + block.weightBytes, 0),
  on,
  models: [...node.models].sort(),
  children: children.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
});
