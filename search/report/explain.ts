import { formatBytes } from "../../crawler/format-bytes.ts";
import type { Tuned } from "../tune/tune-search.ts";
import type { RoundPlan } from "../halving.ts";
import type { Candidate } from "../plan/candidate.ts";
import type { ByteRate } from "../plan/extent.ts";
import { fuseSegments, type SegmentNode } from "../plan/segment-tree.ts";
import { assertNever, rangeLength, type ItemRange, type Place, type Plan, type Step } from "../plan/step.ts";
import type { Speeds } from "../plan/speeds.ts";
import { TaskTree } from "../plan/task-tree.ts";

export interface ExplainInput {
  readonly candidates: readonly Candidate[];
  readonly share: boolean;
  readonly rounds: readonly RoundPlan[];
  readonly plan: Plan;
  readonly budgetBytes: number;
  readonly tuned: Tuned;
  /** Of the device's memory; 0 on the CPU. */
  readonly deviceBudgetBytes: number;
  /** Items of the data set: training and test. */
  readonly items: number;
}

/** A plan in words: the rounds, the task tree, the steps of the first round, and what they take. */
export function explain({
  candidates,
  share,
  rounds,
  plan,
  budgetBytes,
  deviceBudgetBytes,
  tuned,
  items,
}: ExplainInput): string[] {
  const trees = new TaskTree(candidates, { share }).roots.map((root) => fuseSegments(root));
  const base = candidates.reduce((sum, { blocks }) => sum + blocks.filter(({ blockId }) => blockId !== null).length, 0);
  return [
    "Rounds",
    ...rounds.map(({ round, models, begin, end }) => `  ${round}: ${models} models, ${end - begin} new training items`),
    "",
    "Task tree (a line is a result that is kept; in brackets, the blocks of the segment that makes it)",
    ...trees.flatMap((tree) => [
      `  items ${tree.info.dims.join("×")}`,
      ...tree.children.flatMap((child) => treeLines(child, "    ")),
    ]),
    "",
    "Steps of round 1",
    ...plan.steps.map((step, index) => `  ${String(index + 1).padStart(4)}  ${describeStep(step, plan)}`),
    "",
    `Planned peak     ${formatBytes(plan.peakBytes.host)} of a budget of ${formatBytes(budgetBytes)}`,
    ...(deviceBudgetBytes > 0
      ? [`On the device    ${formatBytes(plan.peakBytes.device)} of a budget of ${formatBytes(deviceBudgetBytes)}`]
      : []),
    `Weights to load  ${formatBytes(plan.loadBytes)}`,
    `Items at a time  ${plan.chunkItems}, in batches of ${plan.batchSize} with ${tuned.threads} threads (${howTuned(tuned)})`,
    `Loading ahead    ${describeAhead(tuned.loadAhead)}`,
    `Assumed speeds   ${describeSpeeds(tuned.speeds, deviceBudgetBytes > 0)}`,
    `Work of round 1  ${plan.blockItems} items through blocks, ${(plan.flops / 1e9).toFixed(1)} GFLOP`,
    `Strategy "base"  ${base * items} items through blocks: every model on all ${items} items`,
  ];
}

const describeAhead = (segments: number): string =>
  segments === 0 ? "one segment, before the one that runs" : `${segments} segments, beside the one that runs`;

const describeSpeeds = ({ weights, disk, link }: Speeds, hasDevice: boolean): string =>
  [`weights ${formatBytes(weights)}/s`, `disk ${formatBytes(disk)}/s`]
    .concat(hasDevice ? `device ${formatBytes(link)}/s` : [])
    .join(", ");

/** What the batch and the threads rest on, in words. */
export function howTuned({ how, rates }: Tuned): string {
  const measured = rates.map(
    ({ batchSize, threads, itemsPerSecond }) => `${batchSize} x ${threads}: ${itemsPerSecond.toFixed(0)}/s`,
  );
  switch (how) {
    case "given":
      return "as asked";
    case "default":
      return "the default: nothing was measured";
    case "measured":
    case "remembered":
      return `${how}; batch x threads: ${measured.join(", ")}`;
    default:
      return assertNever(how);
  }
}

function treeLines(node: SegmentNode, indent: string): string[] {
  const names = node.blocks.map(({ name }) => name);
  const blocks = names.length > 3 ? `${names[0]} … ${names.at(-1)}, ${names.length} blocks` : names.join(", ");
  const models = node.models.length > 0 ? ` = feature of ${node.models.join(", ")}` : "";
  return [
    `${indent}${short(node.id)} ${describeRate(node.bytes)} [${blocks}; ${formatBytes(node.weightBytes)}]${models}`,
    ...node.children.flatMap((child) => treeLines(child, `${indent}  `)),
  ];
}

const describeRate = ({ perItem, perToken }: ByteRate): string =>
  perToken > 0 ? `${formatBytes(perToken)} a token` : `${formatBytes(perItem)} an item`;

/** One step in words. */
export function describeStep(step: Step, plan: Plan): string {
  switch (step.kind) {
    case "load":
      return `load     ${segmentName(step.segment)}, ${formatBytes(step.bytes)}${step.memory === "device" ? " on the device" : ""}${step.beside ? ", beside what runs" : ""}`;
    case "unload":
      return `unload   ${segmentName(step.segment)}, ${formatBytes(step.bytes)}`;
    case "input":
      return `input    items ${range(step.items)}, ${formatBytes(step.bytes)}`;
    case "run":
      return `run      ${segmentName(step.segment)} on items ${range(step.items)}: ${plan.segments[step.segment]?.blocks.length ?? 0} blocks, ${formatBytes(step.bytes)}${where(step.place)}`;
    case "keep":
      return `keep     feature ${short(step.feature)} of items ${range(step.items)}`;
    case "score":
      return `score    ${step.models.join(", ")}: ${step.train.map(range).join(", ")}, tested on ${range(step.test)}, ${formatBytes(step.bytes)}`;
    case "scored":
      return `scored   feature ${short(step.feature)}, ${formatBytes(step.bytes)}`;
    case "release":
      return `release  ${short(step.slot)}, ${formatBytes(step.bytes)}`;
    default:
      return assertNever(step);
  }
}

const where = (place: Place): string =>
  place === "memory" ? "" : place === "disk" ? " a batch, on disk" : " on the device";
const short = (id: string): string => id.slice(0, 8);
/** From one result to another; where the second is, the step says. */
const segmentName = (segment: string): string => segment.split(" ").slice(0, 2).map(short).join("→");
const range = ({ begin, end }: ItemRange): string =>
  `${begin}–${end - 1}${rangeLength({ begin, end }) === 0 ? " (none)" : ""}`;
