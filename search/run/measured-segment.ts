import type ort from "onnxruntime-node";
import { elementCount } from "../../crawler/export/graph.ts";
import type { Segment } from "../plan/step.ts";
import { LaneGraphs } from "./lane-graphs.ts";
import type { TensorData } from "./lane-job.ts";
import type { LaneRun, Lanes } from "./lanes.ts";
import { madeUpItems } from "./made-up-items.ts";
import type { RootInputs } from "./root-inputs.ts";
import { outputDims } from "./segment-graph.ts";
import { openSession, type SessionOptions } from "./open-session.ts";

/** A segment that made-up items are sent through, to see how fast it is. */
export interface MeasuredSegment {
  /** Sends a batch through it, on the CPU one on each core. @returns how many items that were */
  run(batchSize: number): Promise<number>;
  release(): Promise<void>;
}

export interface MeasuredSegmentOptions extends SessionOptions {
  readonly home: string;
  readonly lanes: Lanes;
}

/** @param segment takes the items themselves @param threads cores that run batches, no more than there are lanes */
export async function openMeasured(
  segment: Segment,
  threads: number,
  options: MeasuredSegmentOptions,
): Promise<MeasuredSegment> {
  const root = options.roots.get(segment.root);
  if (!root || !segment.isFirst) throw new Error(`segment ${segment.id} takes no items`);
  if (options.device === "cpu") return openOnLanes(segment, root, threads, options);
  const session = await openSession({ ...segment, stays: false }, { ...options, threads });
  const feeds = remember((batchSize) => madeUpItems(root, batchSize, session.inputNames));
  return {
    async run(batchSize) {
      await session.run(feeds(batchSize));
      return batchSize;
    },
    release: () => session.release(),
  };
}

async function openOnLanes(
  segment: Segment,
  root: RootInputs,
  threads: number,
  options: MeasuredSegmentOptions,
): Promise<MeasuredSegment> {
  const { lanes } = options;
  const graphs = new LaneGraphs(options);
  const graph = await graphs.open(segment);
  const session = `measured ${segment.id}`;
  const runOf = (batchSize: number): LaneRun => {
    const items = madeUpItems(root, batchSize, ["x", ...graph.names]);
    const feeds = Object.fromEntries(Object.entries(items).map(([name, tensor]) => [name, dataOf(tensor)]));
    const dims = [
      batchSize,
      ...outputDims(segment.output, items["x"]?.dims.length === 2 ? (items["x"].dims[1] ?? 0) : null),
    ];
    const into: TensorData = { type: "float32", dims, buffer: new ArrayBuffer(4 * elementCount(dims)) };
    return { session, source: graph.source, batches: [{ feeds, into }] };
  };
  const runs = remember((batchSize) => Array.from({ length: threads }, () => runOf(batchSize)));
  return {
    async run(batchSize) {
      await Promise.all(runs(batchSize).map((run) => lanes.run(() => run)));
      return threads * batchSize;
    },
    async release() {
      await lanes.closeSession(session);
      await graphs.release(graph);
    },
  };
}

const dataOf = ({ type, dims, data }: ort.Tensor): TensorData => ({
  type: type as TensorData["type"],
  dims,
  buffer: (data as Uint8Array | BigInt64Array).buffer as ArrayBuffer,
});

/** What was made for a batch size is used again. */
function remember<T>(make: (batchSize: number) => T): (batchSize: number) => T {
  const made = new Map<number, T>();
  return (batchSize) => {
    const found = made.get(batchSize) ?? make(batchSize);
    made.set(batchSize, found);
    return found;
  };
}
