import { rm } from "node:fs/promises";
import { join } from "node:path";
import ort from "onnxruntime-node";
import { elementCount, type BlockGraph, type GraphNode } from "../../crawler/export/graph.ts";
import { writeOnnx } from "../../crawler/export/write-onnx.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import { storedChain } from "../../indexer/store/stored-chain.ts";
import { InputError } from "../../crawler/errors.ts";
import { probeBlockedLayout } from "../../search/run/blocked-layout.ts";
import { layoutProbe } from "../../search/run/layout-probe.ts";
import { fusedPart, fuseSegment } from "../../search/run/fuse-segment.ts";
import { inTurns, secondsOf } from "../../search/run/in-turns.ts";
import { WeightLayouter } from "../../search/run/lay-out-weights.ts";
import { openLaneSession } from "../../search/run/open-lane-session.ts";
import { median } from "./median.ts";

/** A residual unit of two 3x3 convolutions, and how much goes through it at a time. */
export interface ConvolutionCase {
  readonly channels: number;
  /** Height and width of its maps. */
  readonly size: number;
  /** Of a batch. */
  readonly items: number;
}

/** The last units of a ResNet-18 for pictures of 64, 128 and 224 pixels, and a middle one for 224. */
export const CASES: readonly ConvolutionCase[] = [
  { channels: 512, size: 2, items: 32 },
  { channels: 512, size: 4, items: 16 },
  { channels: 512, size: 7, items: 8 },
  { channels: 256, size: 14, items: 8 },
];

/** In milliseconds, of one thread. */
export interface ConvolutionFigures extends ConvolutionCase {
  /** A batch on the blocked layout, and as matrix products. */
  readonly blocked: number;
  readonly product: number;
  /** Reading the stored weights, and writing them as the blocked layout has them. */
  readonly layingOut: number;
}

const conv = (x: number, slots: readonly number[]): GraphNode => ({
  operator: "conv",
  inputs: [x],
  slots,
  attributes: { stride: 1, padding: 1, dilation: 1, groups: 1 },
});
const node = (operator: string, inputs: readonly number[]): GraphNode => ({
  operator,
  inputs,
  slots: [],
  attributes: {},
});

const unitOf = (channels: number): BlockGraph => ({
  inputs: ["x"],
  slots: [[channels, channels, 3, 3], [channels], [channels, channels, 3, 3], [channels]],
  nodes: [conv(0, [0, 1]), node("relu", [1]), conv(2, [2, 3]), node("add", [3, 0]), node("relu", [4])],
  output: 5,
});

/** @param home an empty folder @throws InputError where the processor has no blocked layout */
export async function benchConvolutions(
  one: ConvolutionCase,
  { home, runs }: { readonly home: string; readonly runs: number },
): Promise<ConvolutionFigures> {
  const groups = await probeBlockedLayout(layoutProbe());
  if (groups === null) throw new InputError("onnxruntime has no blocked layout for this processor: nothing to compare");
  const { channels, size, items } = one;
  const dims = [channels, size, size];
  const graph = unitOf(channels);
  const store = openBlockStore(home);
  const draft = await store.draft(graph);
  for (const [slot, shape] of graph.slots.entries()) {
    const values = Float32Array.from({ length: elementCount(shape) }, (_, at) => (((at + slot) * 7919) % 1009) / 1e5);
    await draft.write(slot, 0, new Uint8Array(values.buffer));
  }
  const block = { ...(await draft.commit("unit", { dims })), name: "unit" };
  const layouter = new WeightLayouter();
  const layingOut: number[] = [];
  const open = async (matrixPixels: number): Promise<ort.InferenceSession> => {
    const chain = await storedChain(store, [block], home);
    const options = { home, store, channels: groups, matrixPixels };
    const links = fuseSegment({ blocks: [block], input: { dims } }, chain, options) ?? [];
    for (const { laidOut } of links) {
      if (!laidOut) continue;
      for (let turn = 0; turn < Math.min(runs, MOST_LAID_OUT); turn++) {
        await rm(laidOut.to, { force: true });
        layingOut.push(await secondsOf(async () => layouter.layOut(laidOut)));
      }
    }
    const value = { name: "x", type: "float", dims: ["batch", ...dims] } as const;
    const { bytes } = writeOnnx(links.map(fusedPart), {
      graphName: "unit",
      inputs: [{ value, info: { dims } }],
      outputName: "y",
    });
    return openLaneSession({ model: bytes, folder: home, isOptimized: true });
  };
  const x = new ort.Tensor("float32", new Float32Array(items * elementCount(dims)).fill(0.5), [items, ...dims]);
  const sessions = [await open(0), await open(Infinity)] as const;
  const [blocked, product] = sessions;
  const turns = (count: number) =>
    inTurns(
      { turns: count, mostSeconds: Infinity },
      () => blocked.run({ x }),
      () => product.run({ x }),
    );
  try {
    await turns(WARM_UP);
    const seconds = (await turns(runs)) ?? [];
    return {
      ...one,
      blocked: 1000 * median(seconds.map(([first]) => first)),
      product: 1000 * median(seconds.map(([, second]) => second)),
      layingOut: 1000 * median(layingOut),
    };
  } finally {
    for (const session of sessions) await session.release();
    await rm(join(home, "store"), { recursive: true, force: true });
  }
}

const WARM_UP = 3;
/** Each writes a file. */
const MOST_LAID_OUT = 10;
