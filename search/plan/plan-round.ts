import { InputError } from "../../crawler/errors.ts";
import { formatBytes } from "../../crawler/format-bytes.ts";
import { peakOf } from "./account.ts";
import type { Candidate } from "./candidate.ts";
import {
  chooseLayout,
  leastBytes,
  order,
  placeOf,
  resultBytes,
  type Layout,
  type PlanDevice,
  type Placing,
} from "./choose-layout.ts";
import { bytesOf, measureItems, type Extent, type Measure } from "./extent.ts";
import type { OrderedNode } from "./order-children.ts";
import { loadBytes, placeLoads } from "./place-loads.ts";
import type { Speeds } from "./speeds.ts";
import {
  memoryOf,
  rangeLength,
  type ItemRange,
  type LoadedSegment,
  type MemoryBytes,
  type Plan,
  type Segment,
  type Step,
} from "./step.ts";
import { TaskTree, type TreeNode } from "./task-tree.ts";

/** A part of a round: the models that still lack their features of some items, which may be those of several ranges. */
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
  /** What the plan before has left loaded; default: nothing. */
  readonly loadedBefore?: readonly LoadedSegment[];
  /** Whether segments stay loaded for the next round, while there is room; default: not. */
  readonly keepLoaded?: boolean;
  /** As of `PlaceLoadsOptions`; default 1. */
  readonly mostScores?: number;
  /** Items that go through a graph together; default `DEFAULT_BATCH`. */
  readonly batchSize?: number;
  /** Batches that can be under way at a time; default 1. */
  readonly lanes?: number;
  /** How much items are; default: all of one size. */
  readonly measure?: Measure;
  /** Default: inference runs on the CPU. */
  readonly device?: PlanDevice | undefined;
  /** How fast the machine moves bytes; default `DEFAULT_SPEEDS`. */
  readonly speeds?: Speeds | undefined;
  /** As of `PlaceLoadsOptions`; default 0. */
  readonly loadAhead?: number | undefined;
}

/** Of devices, and at most on CPUs: larger ones are hardly faster there (`default-batch.ts`). */
export const DEFAULT_BATCH = 32;

/**
 * Plans a round: which segments run over which items in which order, what is kept how long, and what that takes.
 * Pure: same input, same steps; reads no clock, file or device.
 * @throws InputError when the budget is too small for a single item, naming the smallest that works
 */
export function planRound(input: RoundInput): Plan {
  const { budgetBytes, measure = measureItems, device, speeds } = input;
  checkBudgets(input);
  const scores = scoreSteps(input);
  const { batchSize = DEFAULT_BATCH, lanes = 1 } = input;
  const window = batchSize * lanes;
  const forests = forestsOf(input);
  const ranges = [...input.train, input.test];
  const walk: Walk = { segments: {}, steps: [] };
  let chunkItems = 0;
  for (const { items, roots } of forests) {
    for (const root of roots) {
      const layout = chooseLayout(root, { items, budget: budgetBytes, measure, window, device, speeds });
      if (!layout) throw new Error(`no layout of ${root.id} fits the budgets, which are enough`);
      for (const part of layout.parts) {
        chunkItems = Math.max(chunkItems, rangeLength(part));
        walkTree(layout, { ranges, items: part, extent: measure(root.id, part), window, device }, walk);
      }
    }
  }
  const { segments } = walk;
  const { loadedBefore = [], keepLoaded = false, mostScores = 1, loadAhead = 0 } = input;
  const budgets = { host: budgetBytes, device: device?.budgetBytes ?? 0 };
  const options = { budgets, loadedBefore, keepLoaded, mostScores, overlap: lanes > 1 ? lanes : 0, loadAhead };
  const { steps, loadedAfter } = placeLoads(withScores(walk.steps, scores), segments, options);
  return {
    segments,
    steps,
    loadedBefore,
    loadedAfter,
    batchSize,
    lanes,
    peakBytes: peakOf(steps, loadedBefore),
    loadBytes: loadBytes(steps),
    chunkItems,
    ...work(steps, segments),
  };
}

/** The least bytes of each memory that a round can be run with. */
export function smallestBudgets(input: RoundInput): MemoryBytes {
  const { measure = measureItems, device } = input;
  const smallest = { host: Math.max(0, ...scoreSteps(input).map(({ bytes }) => bytes)), device: 0 };
  for (const { items, roots } of forestsOf(input)) {
    for (const root of roots) {
      const least = leastBytes(root, { items, measure, device });
      smallest.host = Math.max(smallest.host, least.host);
      smallest.device = Math.max(smallest.device, least.device);
    }
  }
  return smallest;
}

const forestsOf = ({ extractions, share }: RoundInput): Forest[] =>
  extractions.map(({ items, candidates }) => ({
    items,
    roots: [...new TaskTree(candidates, { share }).roots].sort(byTree),
  }));

/** By preprocessing, then by the models, where these don't share. */
const byTree = (a: TreeNode, b: TreeNode): number =>
  (a.id === b.id ? 0 : byKey([a.id, null], [b.id, null])) || (firstModel(a) < firstModel(b) ? -1 : 1);
const firstModel = (node: TreeNode): string =>
  [...node.models, ...[...node.children.values()].map(firstModel)].sort()[0] ?? "";

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

interface Forest {
  readonly items: ItemRange;
  readonly roots: readonly TreeNode[];
}

function checkBudgets(input: RoundInput): void {
  const smallest = smallestBudgets(input);
  const check = (option: string, budget: number, needed: number): void => {
    if (budget >= needed) return;
    throw new InputError(
      `a budget of ${formatBytes(budget)} is too small for this search; the smallest that works is ${formatBytes(needed)} (${option} ${needed})`,
    );
  };
  check("--budget", input.budgetBytes, smallest.host);
  if (input.device) check("--device-budget", input.device.budgetBytes, smallest.device);
}

/** One score step for each feature: models with equal features have equal scores. */
function scoreSteps({ scored, train, test }: RoundInput): ScoreStep[] {
  const items = [...train, test].reduce((sum, range) => sum + rangeLength(range), 0);
  const byFeature = new Map<string, { models: string[]; bytes: number }>();
  for (const { modelId, blocks } of scored) {
    const feature = blocks.at(-1);
    if (!feature) throw new Error(`${modelId} has no blocks`);
    const entry = byFeature.get(feature.prefixId) ?? {
      models: [],
      bytes: bytesOf(feature.outputBytes, { items, tokens: 0 }),
    };
    entry.models.push(modelId);
    byFeature.set(feature.prefixId, entry);
  }
  return [...byFeature].sort(byKey).map(([feature, { models, bytes }]) => ({
    kind: "score",
    feature,
    models: models.sort(),
    train,
    test,
    bytes,
  }));
}

type ScoreStep = Extract<Step, { kind: "score" }>;

/** Each score behind the last step that keeps a part of its feature; those whose features are all there come last. */
function withScores(steps: readonly Step[], scores: readonly ScoreStep[]): Step[] {
  const left = new Map(scores.map((step) => [step.feature, step]));
  const reversed: Step[] = [];
  for (const step of steps.toReversed()) {
    const score = step.kind === "keep" ? left.get(step.feature) : undefined;
    if (score) {
      left.delete(score.feature);
      reversed.push(score);
    }
    reversed.push(step);
  }
  return [...reversed.reverse(), ...left.values()];
}

/** What goes through a tree at a time: some items of one range or several. */
interface Chunk {
  readonly ranges: readonly ItemRange[];
  readonly items: ItemRange;
  readonly extent: Extent;
  readonly window: number;
  readonly device: PlanDevice | undefined;
}

/** What walking the trees brings. */
interface Walk {
  readonly segments: Record<string, Segment>;
  readonly steps: Step[];
}

/** The part of a range that lies in another. */
const overlapOf = (a: ItemRange, b: ItemRange): ItemRange => ({
  begin: Math.max(a.begin, b.begin),
  end: Math.min(a.end, b.end),
});

/** Depth first: runs a segment, goes into its subtree, releases a result once its last child has been computed. */
function walkTree({ tree, moves }: Layout, chunk: Chunk, { segments, steps }: Walk): void {
  const { ranges, items, extent, window, device } = chunk;
  const placing: Placing = { moves, window, device };
  const { root } = order(tree, extent, placing);
  const slotOf = (node: OrderedNode): string => `${node.id} ${items.begin}-${items.end}`;
  const placed = (node: OrderedNode) => {
    const place = placeOf(node, tree, placing);
    return { place, bytes: resultBytes(node, place, extent, window) };
  };
  const release = (node: OrderedNode) => {
    const { place, bytes } = placed(node);
    steps.push({ kind: "release", slot: slotOf(node), memory: memoryOf(place), bytes });
  };
  const inputs = slotOf(root);
  const enter = (node: OrderedNode): void => {
    if (node.models.length > 0) {
      for (const range of ranges) {
        const part = overlapOf(range, items);
        if (rangeLength(part) <= 0) continue;
        steps.push({ kind: "keep", feature: node.id, range, items: part, from: slotOf(node) });
      }
    }
    node.children.forEach((child, index) => {
      const to = placed(child);
      const stays = to.place === "device";
      // where a graph leaves its result is fixed when it is opened
      const segment = `${node.id} ${child.id}${stays ? " stays" : ""}`;
      segments[segment] ??= {
        id: segment,
        blocks: child.blocks,
        root: root.id,
        isFirst: node === root,
        input: node.info,
        output: child.info,
        weightBytes: child.weightBytes,
        on: child.on,
        stays,
      };
      steps.push({ kind: "run", segment, from: slotOf(node), to: slotOf(child), ...to, inputs, items });
      if (index === node.children.length - 1 && !node.isKept) release(node);
      enter(child);
    });
    if (node.children.length === 0 || node.isKept) release(node);
  };
  steps.push({ kind: "input", root: root.id, items, to: inputs, ...placed(root) });
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
