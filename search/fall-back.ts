import type { Device } from "./device/device.ts";
import type { ChainBlock } from "./plan/candidate.ts";
import type { Speeds } from "./plan/speeds.ts";
import type { RunFailure } from "./run/run-failure.ts";

/** How the steps of a round are run. */
export interface Attempt {
  readonly device: Device;
  readonly batchSize: number;
  readonly threads: number;
  /** As of `RoundInput`. */
  readonly loadAhead: number;
  readonly speeds: Speeds;
  /** What results and weights may take on the device. */
  readonly deviceBudgetBytes: number;
  /** Graphs of blocks that the device cannot run: these run on the CPU. */
  readonly onCpu: ReadonlySet<string>;
  /** What failed already with larger chunks. */
  readonly shrunk: ReadonlySet<string>;
}

/** A step that failed, and how it is repeated. */
export interface Fallback {
  readonly round: number;
  readonly device: Device;
  /** The blocks that were being run. */
  readonly blocks: readonly string[];
  readonly reason: string;
  readonly then: string;
}

/** Steps that a device may fail before the search does without it. */
const MOST_ON_CPU = 4;

/**
 * How to go on after a failure: in a fresh process, first with smaller chunks, then with the failed blocks on the CPU, at
 * last without the device. On the CPU itself only a process that ended is tried again, once, with smaller chunks: it may
 * have run out of memory.
 * @returns null when nothing is left to try
 */
export function fallBack(
  attempt: Attempt,
  { kind, segment }: Pick<RunFailure, "kind" | "segment">,
): { readonly attempt: Attempt; readonly then: string } | null {
  const { device, batchSize, deviceBudgetBytes, onCpu, shrunk } = attempt;
  const isOnCpu = device === "cpu" || segment?.on === "host";
  const graphs = (segment?.blocks ?? []).map(({ graphHash }) => graphHash);
  const key = isOnCpu ? "cpu" : graphs.join(" ");
  const canShrink = batchSize > 1 && !shrunk.has(key) && (isOnCpu ? kind === "ended" : kind !== "unsupported");
  if (canShrink) {
    const smaller = {
      ...attempt,
      batchSize: Math.ceil(batchSize / 2),
      deviceBudgetBytes: Math.ceil(deviceBudgetBytes / 2),
      shrunk: new Set([...shrunk, key]),
    };
    return { attempt: smaller, then: `again, in batches of ${smaller.batchSize}` };
  }
  if (isOnCpu) return null;
  const failed = graphs.filter((graph) => !onCpu.has(graph));
  const isHopeless = failed.length === 0 || shrunk.size > MOST_ON_CPU;
  if (isHopeless) return { attempt: { ...attempt, device: "cpu" }, then: "everything on the cpu" };
  return { attempt: { ...attempt, onCpu: new Set([...onCpu, ...failed]) }, then: "these blocks on the cpu" };
}

/** Whether a block runs on the device of an attempt. */
export const runsOnDevice = ({ device, onCpu }: Attempt, { graphHash }: Pick<ChainBlock, "graphHash">): boolean =>
  device !== "cpu" && !onCpu.has(graphHash);
