import type { ChainBlock } from "./candidate.ts";
import { bytesOf, type Extent, type Measure } from "./extent.ts";
import { needInOrder, orderChildren, type NodeBytes, type OrderedNode } from "./order-children.ts";
import { fuseSegments, type SegmentNode } from "./segment-tree.ts";
import { DEFAULT_SPEEDS, type Speeds } from "./speeds.ts";
import { memoryOf, rangeLength, type ItemRange, type Memory, type MemoryBytes, type Place } from "./step.ts";
import type { TreeNode } from "./task-tree.ts";

/** What a plan knows of the device that inference runs on. */
export interface PlanDevice {
  /** Bytes that results and weights may take in its memory together. */
  readonly budgetBytes: number;
  /** Whether results can stay there between graphs. */
  readonly keepsResults: boolean;
  /** Whether it runs a block; those that it doesn't run on the CPU. */
  runs(block: ChainBlock): boolean;
}

export interface LayoutOptions {
  readonly items: ItemRange;
  readonly budget: number;
  readonly measure: Measure;
  /** Items that can be under way at a time, in all batches together. */
  readonly window: number;
  /** Default: inference runs on the CPU. */
  readonly device?: PlanDevice | undefined;
  /** Default: `DEFAULT_SPEEDS`. */
  readonly speeds?: Speeds | undefined;
}

/** Results that are not where they would best be: not on the device, or not in memory. */
type Moves = ReadonlyMap<string, "memory" | "disk">;

/** How a tree is run within the budgets. */
export interface Layout {
  readonly tree: SegmentNode;
  /** The items that go through it together, part by part. */
  readonly parts: readonly ItemRange[];
  readonly moves: Moves;
}

/** Seconds that a further run of a segment costs, whatever it does. */
const RUN_SECONDS = 0.001;
/** Results that are tried elsewhere, the largest first. */
const MOST_MOVES = 12;

/**
 * Chooses how a tree is run when memory is short: in parts, each of which brings the weights into memory again; with the
 * largest results on disk, which are written once and read by each child (off the device, in the machine's memory first);
 * or in shorter segments, so that fewer weights are in memory at a time. All that fit are compared by what they cost beyond
 * the run with unlimited memory. The prepared items are on disk anyway, so pictures are read a batch at a time.
 * @returns null when no layout fits
 */
export function chooseLayout(root: TreeNode, options: LayoutOptions): Layout | null {
  let best: { readonly layout: Layout; readonly cost: number } | null = null;
  for (const tree of segmentations(root, options)) {
    for (const moves of movesOf(tree, options)) {
      const parts = fewestParts(tree, moves, options);
      if (!parts) continue;
      const layout = { tree, parts, moves };
      const cost = costOf(layout, options);
      if (!best || cost < best.cost) best = { layout, cost };
      if (parts.length === 1) break; // more moves cost more
    }
    if (best?.cost === 0) break;
  }
  return best?.layout ?? null;
}

/** The least bytes of each memory that a tree can be run with: a block at a time, all on disk, one item at a time. */
export function leastBytes(
  root: TreeNode,
  { items, measure, device }: Pick<LayoutOptions, "items" | "measure" | "device">,
): MemoryBytes {
  const tree = fuseSegments(root, { mostBytes: 0, placeBlock: placeBlocks(device) });
  const moves = moveTo(root.isKept ? "memory" : "disk", branchesOf(tree));
  const least = { host: 0, device: 0 };
  for (let begin = items.begin; begin < items.end; begin++) {
    const part = { begin, end: begin + 1 };
    const { need } = order(tree, measure(root.id, part), { moves, window: 1, device });
    least.host = Math.max(least.host, need.host);
    least.device = Math.max(least.device, need.device);
    if (measure(root.id, part).tokens === 0) break; // all items are of one size
  }
  return least;
}

/** What decides where results are, and how much each takes. */
export interface Placing {
  readonly moves: Moves;
  /** Items under way at a time: what results on disk have in memory. */
  readonly window: number;
  readonly device?: PlanDevice | undefined;
}

/** A tree in the order of execution, and what it takes of each memory. */
export interface OrderedTree {
  readonly root: OrderedNode;
  readonly need: MemoryBytes;
}

/** Children in the order that suits the memory which results are in best. */
export function order(tree: SegmentNode, extent: Extent, placing: Placing): OrderedTree {
  const { device } = placing;
  const bytes = (memory: Memory): NodeBytes => ({
    result(node) {
      const place = placeOf(node, tree, placing);
      return memoryOf(place) === memory ? resultBytes(node, place, extent, placing.window) : 0;
    },
    weights: (node) => (node.on === memory ? node.weightBytes : 0),
  });
  const first: Memory = device?.keepsResults ? "device" : "host";
  const root = orderChildren(tree, bytes(first));
  if (!device) return { root, need: { host: root.need, device: 0 } };
  const need = (memory: Memory) => (memory === first ? root.need : needInOrder(root, bytes(memory)));
  return { root, need: { host: need("host"), device: need("device") } };
}

/** What a result takes of the memory that it is in. */
export const resultBytes = (node: Pick<SegmentNode, "bytes">, place: Place, extent: Extent, window: number): number =>
  bytesOf(node.bytes, place === "disk" ? { items: Math.min(window, extent.items), tokens: 0 } : extent);

/**
 * Where a result is. What graphs on the device read stays there, where it can; features are read by the host.
 * @param root of its tree: pictures are read from disk, texts are in memory
 */
export function placeOf(
  node: Pick<SegmentNode, "id" | "on" | "children">,
  root: Pick<SegmentNode, "id" | "isKept">,
  { moves, device }: Placing,
): Place {
  if (node.id === root.id) return root.isKept ? "memory" : "disk";
  const moved = moves.get(node.id);
  if (moved) return moved;
  const isForDevice = node.children.length > 0 && [node, ...node.children].every(({ on }) => on === "device");
  return device?.keepsResults && isForDevice ? "device" : "memory";
}

const placeBlocks =
  (device: PlanDevice | undefined) =>
  (block: ChainBlock): Memory =>
    device?.runs(block) ? "device" : "host";

/** The tree with its longest segments, and with shorter ones where those don't leave room for much else. */
function segmentations(root: TreeNode, { budget, device }: LayoutOptions): SegmentNode[] {
  const placeBlock = placeBlocks(device);
  const whole = fuseSegments(root, { placeBlock });
  const room = Math.min(budget, device?.budgetBytes ?? budget);
  const largest = largestWeights(whole);
  if (largest <= room / 2) return [whole];
  return [whole, ...[room / 2, room / 4, 0].map((mostBytes) => fuseSegments(root, { mostBytes, placeBlock }))];
}

const largestWeights = (node: SegmentNode): number =>
  node.children.reduce((most, child) => Math.max(most, largestWeights(child)), node.weightBytes);

/** What to move, the least first. */
function* movesOf(tree: SegmentNode, { device }: LayoutOptions): Generator<Moves> {
  yield new Map();
  if (tree.isKept && !device?.keepsResults) return;
  const branches = branchesOf(tree);
  const counts = [...branches.slice(0, MOST_MOVES).keys()].slice(1);
  const places = [...(device?.keepsResults ? ["memory" as const] : []), ...(tree.isKept ? [] : ["disk" as const])];
  for (const count of [...counts, branches.length]) {
    for (const place of places) yield moveTo(place, branches.slice(0, count));
  }
}

const moveTo = (place: "memory" | "disk", nodes: readonly SegmentNode[]): Moves =>
  new Map(nodes.map(({ id }) => [id, place]));

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
  moves: Moves,
  { items, budget, measure, window, device }: LayoutOptions,
): ItemRange[] | null {
  const needs = new Map<string, MemoryBytes>();
  const fits = (part: ItemRange): boolean => {
    const extent = measure(tree.id, part);
    const key = `${extent.items} ${extent.tokens}`;
    const need = needs.get(key) ?? order(tree, extent, { moves, window, device }).need;
    needs.set(key, need);
    return need.host <= budget && need.device <= (device?.budgetBytes ?? 0);
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
function costOf(
  { tree, parts, moves }: Layout,
  { items, device, speeds = DEFAULT_SPEEDS }: Pick<LayoutOptions, "items" | "device" | "speeds">,
): number {
  let weights = 0;
  let segments = 0;
  let seconds = 0;
  const enter = (node: SegmentNode): void => {
    weights += node.weightBytes;
    segments += 1;
    const isInner = node !== tree && node.children.length > 0;
    const isSplit = node.children.length === 1 && node.models.length === 0 && node.children[0]?.on === node.on;
    if (isInner && isSplit) seconds += RUN_SECONDS; // one graph made two
    const moved = moves.get(node.id);
    const traffic = node.bytes.perItem * rangeLength(items) * (1 + node.children.length);
    if (moved && device) seconds += traffic / speeds.link;
    if (moved === "disk") seconds += traffic / speeds.disk;
    node.children.forEach(enter);
  };
  enter(tree);
  return seconds + (parts.length - 1) * (weights / speeds.weights + RUN_SECONDS * segments);
}
