import { bytesOf, type Extent, type Measure } from "./extent.ts";
import { orderChildren, type OrderedNode } from "./order-children.ts";
import { fuseSegments, type SegmentNode } from "./segment-tree.ts";
import { rangeLength, type ItemRange, type Place } from "./step.ts";
import type { TreeNode } from "./task-tree.ts";

export interface LayoutOptions {
  readonly items: ItemRange;
  readonly budget: number;
  readonly measure: Measure;
  /** Items that go through a graph together. */
  readonly batchSize: number;
}

/** How a tree is run within the budget. */
export interface Layout {
  readonly tree: SegmentNode;
  /** The items that go through it together, part by part. */
  readonly parts: readonly ItemRange[];
  /** Results that are kept on disk. */
  readonly onDisk: ReadonlySet<string>;
}

/** Bytes a second at which weights are read again, and at which results go to disk and come back. */
const WEIGHT_RATE = 1e9;
const DISK_RATE = 1e9;
/** Seconds that a further run of a segment costs, whatever it does. */
const RUN_SECONDS = 0.001;
/** Results that are tried on disk, the largest first. */
const MOST_ON_DISK = 12;

/**
 * Chooses how a tree is run when memory is short: in parts, each of which brings the weights into memory again; with the
 * largest results on disk, which are written once and read by each child; or in shorter segments, so that fewer weights
 * are in memory at a time. All that fit are compared by what they cost beyond the run with unlimited memory. The prepared
 * items are on disk anyway, so pictures are read a batch at a time.
 * @returns null when no layout fits
 */
export function chooseLayout(root: TreeNode, options: LayoutOptions): Layout | null {
  let best: { readonly layout: Layout; readonly cost: number } | null = null;
  for (const tree of segmentations(root, options.budget)) {
    const candidates = branchesOf(tree).slice(0, MOST_ON_DISK);
    for (const count of root.isKept ? [0] : [0, ...candidates.keys(), -1]) {
      const onDisk = new Set((count < 0 ? branchesOf(tree) : candidates.slice(0, count)).map(({ id }) => id));
      const parts = fewestParts(tree, onDisk, options);
      if (!parts) continue;
      const layout = { tree, parts, onDisk };
      const cost = costOf(layout, options);
      if (!best || cost < best.cost) best = { layout, cost };
      if (parts.length === 1) break; // more on disk costs more
    }
    if (best?.cost === 0) break;
  }
  return best?.layout ?? null;
}

/** The least bytes that a tree can be run with: a block at a time, all on disk, one item at a time. */
export function leastBytes(root: TreeNode, { items, measure }: Pick<LayoutOptions, "items" | "measure">): number {
  const tree = fuseSegments(root, { mostBytes: 0 });
  const onDisk = new Set(root.isKept ? [] : branchesOf(tree).map(({ id }) => id));
  let least = 0;
  for (let begin = items.begin; begin < items.end; begin++) {
    const part = { begin, end: begin + 1 };
    least = Math.max(least, order(tree, measure(root.id, part), onDisk, 1).need);
    if (measure(root.id, part).tokens === 0) break; // all items are of one size
  }
  return least;
}

/** Children in their order, with what the tree needs. @param batch items of one batch, for results on disk */
export const order = (tree: SegmentNode, extent: Extent, onDisk: ReadonlySet<string>, batch: number): OrderedNode =>
  orderChildren(tree, {
    result: (node) => resultBytes(node, tree, extent, onDisk, batch),
    weights: (node) => node.weightBytes,
  });

/** What a result takes of memory. */
export function resultBytes(
  node: Pick<SegmentNode, "id" | "bytes">,
  root: Pick<SegmentNode, "id" | "isKept">,
  extent: Extent,
  onDisk: ReadonlySet<string>,
  batch: number,
): number {
  const isOnDisk = placeOf(node, root, onDisk) === "disk";
  return bytesOf(node.bytes, isOnDisk ? { items: Math.min(batch, extent.items), tokens: 0 } : extent);
}

export const placeOf = (
  node: Pick<SegmentNode, "id">,
  root: Pick<SegmentNode, "id" | "isKept">,
  onDisk: ReadonlySet<string>,
): Place => ((node.id === root.id && !root.isKept) || onDisk.has(node.id) ? "disk" : "memory");

/** The tree with its longest segments, and with shorter ones where those don't leave room for much else. */
function segmentations(root: TreeNode, budget: number): SegmentNode[] {
  const whole = fuseSegments(root);
  const largest = largestWeights(whole);
  if (largest <= budget / 2) return [whole];
  return [whole, ...[budget / 2, budget / 4, 0].map((mostBytes) => fuseSegments(root, { mostBytes }))];
}

const largestWeights = (node: SegmentNode): number =>
  node.children.reduce((most, child) => Math.max(most, largestWeights(child)), node.weightBytes);

/** Results that others are computed from, those that take most first. */
function branchesOf(tree: SegmentNode): SegmentNode[] {
  const found: SegmentNode[] = [];
  const enter = (node: SegmentNode): void => {
    if (node !== tree && node.children.length > 0) found.push(node);
    node.children.forEach(enter);
  };
  enter(tree);
  return found.sort((a, b) => b.bytes.perItem - a.bytes.perItem || (a.id < b.id ? -1 : 1));
}

/** The fewest parts of nearly equal length that each fit; found by bisection, as need grows with length. */
function fewestParts(
  tree: SegmentNode,
  onDisk: ReadonlySet<string>,
  { items, budget, measure, batchSize }: LayoutOptions,
): ItemRange[] | null {
  const needs = new Map<string, number>();
  const fits = (part: ItemRange): boolean => {
    const extent = measure(tree.id, part);
    const key = `${extent.items} ${extent.tokens}`;
    const need = needs.get(key) ?? order(tree, extent, onDisk, batchSize).need;
    needs.set(key, need);
    return need <= budget;
  };
  const enough = (parts: number): boolean => split(items, parts).every(fits);
  if (enough(1)) return [items];
  let high = rangeLength(items);
  if (!enough(high)) return null;
  let low = 1;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (enough(middle)) high = middle;
    else low = middle;
  }
  return split(items, high);
}

/** Parts of nearly equal length. */
const split = ({ begin, end }: ItemRange, parts: number): ItemRange[] =>
  Array.from({ length: parts }, (_, index) => ({
    begin: begin + Math.floor(((end - begin) * index) / parts),
    end: begin + Math.floor(((end - begin) * (index + 1)) / parts),
  }));

/** Seconds beyond a run with unlimited memory. */
function costOf({ tree, parts, onDisk }: Layout, { items }: LayoutOptions): number {
  let weights = 0;
  let segments = 0;
  let moved = 0;
  let splits = 0;
  const enter = (node: SegmentNode): void => {
    weights += node.weightBytes;
    segments += 1;
    const isInner = node !== tree && node.children.length > 0;
    if (isInner && node.children.length === 1 && node.models.length === 0) splits += 1; // one graph made two
    if (onDisk.has(node.id)) moved += node.bytes.perItem * rangeLength(items) * (1 + node.children.length);
    node.children.forEach(enter);
  };
  enter(tree);
  const again = parts.length - 1;
  return (again * weights) / WEIGHT_RATE + moved / DISK_RATE + RUN_SECONDS * (again * segments + splits);
}
