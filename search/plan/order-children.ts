import type { SegmentNode } from "./segment-tree.ts";

/** A segment tree whose children are in the order of execution, with the memory that each subtree takes. */
export interface OrderedNode extends SegmentNode {
  readonly children: readonly OrderedNode[];
  /** Bytes that the subtree takes at its peak, its own result included. */
  readonly need: number;
}

/** Bytes of a node's result, and of the weights of the segment that leads to it. */
export interface NodeBytes {
  result(node: SegmentNode): number;
  weights(node: SegmentNode): number;
}

/**
 * DFS+ (the paper's section 4.3): children in increasing memory requirement, the largest last, because an intermediate
 * is released once its last child has been computed from it. With s = bytes of a result and w = bytes of the weights
 * of the segment that makes it, a child c of v takes s(v) + max(w(c) + s(c), need(c)), the last one only
 * max(s(v) + w(c) + s(c), need(c)). With w = 0 this is the paper's bound. The largest last is the best depth-first
 * order: with any other child last, the largest would cost s(v) more than it does in last place.
 */
export function orderChildren(node: SegmentNode, bytes: NodeBytes): OrderedNode {
  const run = (child: SegmentNode) => bytes.weights(child) + bytes.result(child);
  const whole = (child: OrderedNode) => Math.max(run(child), child.need);
  const children = node.children
    .map((child) => orderChildren(child, bytes))
    .sort((a, b) => whole(a) - whole(b) || (a.id < b.id ? -1 : 1));
  const need = peakInOrder(node, children, bytes, (child) => child.need);
  return { ...node, children, need };
}

/** What a tree whose children are in their order takes, counted in other bytes than those that the order follows from. */
export const needInOrder = (node: OrderedNode, bytes: NodeBytes): number =>
  peakInOrder(node, node.children, bytes, (child) => needInOrder(child, bytes));

/** @param needOf what the subtree of a child takes */
function peakInOrder(
  node: SegmentNode,
  children: readonly OrderedNode[],
  bytes: NodeBytes,
  needOf: (child: OrderedNode) => number,
): number {
  const own = bytes.result(node);
  return children.reduce((peak, child, index) => {
    const run = own + bytes.weights(child) + bytes.result(child);
    const isLast = index === children.length - 1 && !node.isKept;
    return Math.max(peak, run, (isLast ? 0 : own) + needOf(child));
  }, own);
}
