import { InputError } from "../../crawler/errors.ts";
import { formatBytes } from "../../crawler/format-bytes.ts";
import { peakOf } from "./account.ts";
import type { Candidate } from "./candidate.ts";
import { orderChildren, type NodeBytes, type OrderedNode } from "./order-children.ts";
import { placeLoads } from "./place-loads.ts";
import { fuseSegments, type SegmentNode } from "./segment-tree.ts";
import { rangeLength, type ItemRange, type Plan, type Segment, type Step } from "./step.ts";
import { TaskTree } from "./task-tree.ts";

/** A part of a round: the models that still lack their features of some items. */
export interface Extraction {
  readonly items: ItemRange;
  readonly candidates: readonly Candidate[];
}

export interface RoundInput {
  readonly extractions: readonly Extraction[];
  /** The models to score once all features are there. */
  readonly scored: readonly Candidate[];
  /** The ranges of training items so far. */
  readonly train: readonly ItemRange[];
  readonly test: ItemRange;
  /** Whether models with equal prefixes share them. */
  readonly share: boolean;
  /** Bytes that results, weights and features may take together. */
  readonly budgetBytes: number;
}

/**
 * Plans a round: which segments run over which items in which order, what is kept how long, and what that takes.
 * Pure: same input, same steps; reads no clock, file or device.
 * @throws InputError when the budget is too small for a single item, naming the smallest that works
 */
export function planRound(input: RoundInput): Plan {
  const scores = scoreSteps(input);
  const forests = input.extractions.map(({ items, candidates }) => ({
    items,
    trees: new TaskTree(candidates, { share: input.share }).roots.map(fuseSegments).sort(byTree),
  }));
  checkBudget(
    forests.flatMap(({ trees }) => trees),
    scores,
    input.budgetBytes,
  );
  const segments: Record<string, Segment> = {};
  const steps: Step[] = [];
  let chunkItems = 0;
  for (const { items, trees } of forests) {
    for (const tree of trees) {
      const chunk = Math.min(rangeLength(items), largestChunk(tree, rangeLength(items), input.budgetBytes));
      chunkItems = Math.max(chunkItems, chunk);
      for (const part of chunks(items, chunk)) {
        walkTree(orderChildren(tree, bytesFor(rangeLength(part))), items, part, segments, steps);
      }
    }
  }
  const placed = placeLoads([...steps, ...scores], segments, input.budgetBytes);
  return {
    segments,
    steps: placed,
    peakBytes: peakOf(placed),
    loadBytes: placed.reduce((sum, step) => sum + (step.kind === "load" ? step.bytes : 0), 0),
    chunkItems,
    ...work(placed, segments),
  };
}

/** By preprocessing, then by the models, where these don't share. */
const byTree = (a: SegmentNode, b: SegmentNode): number =>
  (a.id === b.id ? 0 : byKey([a.id, null], [b.id, null])) || (firstModel(a) < firstModel(b) ? -1 : 1);
const firstModel = (node: SegmentNode): string => [...node.models, ...node.children.map(firstModel)].sort()[0] ?? "";

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

const bytesFor = (items: number): NodeBytes => ({
  result: (node) => node.bytesPerItem * items,
  weights: (node) => node.weightBytes,
});

/** Equal parts of at most `size` items: as many as needed, none much smaller than the others. */
function chunks({ begin, end }: ItemRange, size: number): ItemRange[] {
  const count = Math.ceil((end - begin) / size);
  return Array.from({ length: count }, (_, index) => ({
    begin: begin + Math.floor(((end - begin) * index) / count),
    end: begin + Math.floor(((end - begin) * (index + 1)) / count),
  }));
}

/** The most items that go through a tree within the budget: need grows with items, so bisection finds it. */
function largestChunk(tree: SegmentNode, items: number, budget: number): number {
  const fits = (count: number) => orderChildren(tree, bytesFor(count)).need <= budget;
  if (fits(items)) return items;
  let low = 1;
  let high = items;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

function checkBudget(trees: readonly SegmentNode[], scores: readonly Step[], budget: number): void {
  const forOneItem = trees.map((tree) => orderChildren(tree, bytesFor(1)).need);
  const smallest = Math.max(0, ...forOneItem, ...scores.map((step) => ("bytes" in step ? step.bytes : 0)));
  if (budget >= smallest) return;
  throw new InputError(
    `a budget of ${formatBytes(budget)} is too small for this search; the smallest that works is ${formatBytes(smallest)} (--budget ${smallest})`,
  );
}

/** One score step for each feature: models with equal features have equal scores. */
function scoreSteps({ scored, train, test }: RoundInput): Step[] {
  const items = [...train, test].reduce((sum, range) => sum + rangeLength(range), 0);
  const byFeature = new Map<string, { models: string[]; bytesPerItem: number }>();
  for (const { modelId, blocks } of scored) {
    const feature = blocks.at(-1);
    if (!feature) throw new Error(`${modelId} has no blocks`);
    const entry = byFeature.get(feature.prefixId) ?? { models: [], bytesPerItem: feature.outputBytesPerItem };
    entry.models.push(modelId);
    byFeature.set(feature.prefixId, entry);
  }
  return [...byFeature].sort(byKey).map(([feature, { models, bytesPerItem }]) => ({
    kind: "score",
    feature,
    models: models.sort(),
    train,
    test,
    bytes: bytesPerItem * items,
  }));
}

/** Depth first: runs a segment, goes into its subtree, releases a result once its last child has been computed. */
function walkTree(
  root: OrderedNode,
  range: ItemRange,
  items: ItemRange,
  segments: Record<string, Segment>,
  steps: Step[],
): void {
  const count = rangeLength(items);
  const at = `${items.begin}-${items.end}`;
  const slotOf = (node: OrderedNode): string => `${node.id} ${at}`;
  const release = (node: OrderedNode) =>
    steps.push({ kind: "release", slot: slotOf(node), bytes: node.bytesPerItem * count });
  const enter = (node: OrderedNode): void => {
    if (node.models.length > 0) steps.push({ kind: "keep", feature: node.id, range, items, from: slotOf(node) });
    node.children.forEach((child, index) => {
      const segment = `${node.id} ${child.id}`;
      segments[segment] ??= {
        id: segment,
        blocks: child.blocks,
        root: node === root ? root.id : null,
        inputDims: node.dims,
        weightBytes: child.weightBytes,
      };
      steps.push({
        kind: "run",
        segment,
        from: slotOf(node),
        to: slotOf(child),
        items,
        bytes: child.bytesPerItem * count,
      });
      if (index === node.children.length - 1) release(node);
      enter(child);
    });
    if (node.children.length === 0) release(node);
  };
  steps.push({ kind: "input", root: root.id, items, to: slotOf(root), bytes: root.bytesPerItem * count });
  enter(root);
}

function work(steps: readonly Step[], segments: Readonly<Record<string, Segment>>) {
  let blockItems = 0;
  let flops = 0;
  for (const step of steps) {
    if (step.kind !== "run") continue;
    for (const block of segments[step.segment]?.blocks ?? []) {
      if (block.blockId === null) continue; // the head is no block of the backbone
      blockItems += rangeLength(step.items);
      flops += block.flopsPerItem * rangeLength(step.items);
    }
  }
  return { blockItems, flops };
}
