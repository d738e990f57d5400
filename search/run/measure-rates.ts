import ort from "onnxruntime-node";
import { elementCount } from "../../crawler/export/graph.ts";
import type { Segment } from "../plan/step.ts";
import { MEASURED_RUNS, type Tuning, type TuningRate } from "../tune/tuning.ts";
import type { RootInputs } from "./root-inputs.ts";
import { openSession, type SessionOptions } from "./segment-sessions.ts";

/** More runs of a batch are measured than have to be, while those that count take less than this together. */
const MOST_RUNS = 10;
const LEAST_SECONDS = 0.3;

export interface MeasureOptions extends SessionOptions {
  /** Stop when so many seconds have gone; what was measured until then is answered. */
  readonly mostSeconds: number;
}

/** Sends made-up items through a segment that takes the items themselves, in batches of each size. */
export async function measureRates(
  segment: Segment,
  candidates: readonly Tuning[],
  { mostSeconds, ...options }: MeasureOptions,
): Promise<TuningRate[]> {
  const root = options.roots.get(segment.root);
  if (!root || !segment.isFirst) throw new Error(`segment ${segment.id} takes no items`);
  const start = performance.now();
  const rates: TuningRate[] = [];
  for (const threads of new Set(candidates.map((candidate) => candidate.threads))) {
    const session = await openSession({ ...segment, stays: false }, { ...options, threads });
    try {
      for (const candidate of candidates.filter((other) => other.threads === threads)) {
        if ((performance.now() - start) / 1000 > mostSeconds) return rates;
        const feeds = madeUpItems(root, candidate.batchSize, session.inputNames);
        rates.push({ ...candidate, itemsPerSecond: candidate.batchSize / (await secondsOf(session, feeds)) });
      }
    } finally {
      await session.release();
    }
  }
  return rates;
}

/** Of the fastest run: others only ever make one slower. */
async function secondsOf(session: ort.InferenceSession, feeds: Readonly<Record<string, ort.Tensor>>): Promise<number> {
  let best = Infinity;
  let sum = 0;
  for (let run = 0; run < MEASURED_RUNS || (run < MOST_RUNS && sum < LEAST_SECONDS); run++) {
    const start = performance.now();
    await session.run(feeds);
    const seconds = (performance.now() - start) / 1000;
    if (run === 0) continue; // it warms up
    best = Math.min(best, seconds);
    sum += seconds;
  }
  return best;
}

function madeUpItems(root: RootInputs, items: number, names: readonly string[]): Record<string, ort.Tensor> {
  if (root.kind === "pictures") {
    const pixels = Uint8Array.from({ length: items * elementCount(root.dims) }, (_, index) => (index * 7919) % 251);
    return { x: new ort.Tensor("uint8", pixels, [items, ...root.dims]) };
  }
  // as long as the texts of the search are in the middle
  const length = Float64Array.from(root.lengths).sort()[root.lengths.length >> 1] ?? 1;
  const tensor = (value: bigint) =>
    new ort.Tensor("int64", new BigInt64Array(items * length).fill(value), [items, length]);
  return Object.fromEntries(names.map((name) => [name, tensor(name === "attention_mask" ? 1n : 0n)]));
}
