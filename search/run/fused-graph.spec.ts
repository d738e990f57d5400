import ort from "onnxruntime-node";
import { expect, it } from "vitest";
import { fuseConvs } from "../../crawler/export/fuse-convs.ts";
import { foldSlot, layOutWeight } from "../../crawler/export/fused-slots.ts";
import { elementCount, type BlockGraph, type GraphNode } from "../../crawler/export/graph.ts";
import { inferGraph } from "../../crawler/export/infer-graph.ts";
import { writeOnnx, type GraphWithWeights } from "../../crawler/export/write-onnx.ts";
import { probeBlockedLayout } from "./blocked-layout.ts";
import { layoutProbe } from "./layout-probe.ts";

const channels = await probeBlockedLayout(layoutProbe());

interface ConvSettings {
  readonly stride?: number;
  readonly padding?: number;
  readonly dilation?: number;
}

const conv = (x: number, slots: readonly number[], settings: ConvSettings = {}): GraphNode => ({
  operator: "conv",
  inputs: [x],
  slots,
  attributes: { stride: 1, padding: 0, dilation: 1, groups: 1, ...settings },
});
const node = (
  operator: string,
  inputs: readonly number[],
  slots: readonly number[] = [],
  attributes: GraphNode["attributes"] = {},
): GraphNode => ({ operator, inputs, slots, attributes });
const norm = (x: number, first: number) =>
  node("batchNorm", [x], [first, first + 1, first + 2, first + 3], { epsilon: 1e-5 });

/** A unit of a ResNet that makes the map smaller: both branches have a convolution. Values 1 to 8. */
const unit = (from: number, to: number): BlockGraph => ({
  inputs: ["x"],
  slots: [[to, from, 3, 3], [to], [to], [to], [to], [to, to, 3, 3], [to], [to, from, 1, 1], [to], [to], [to], [to]],
  nodes: [
    conv(0, [0], { stride: 2, padding: 1 }),
    norm(1, 1),
    node("relu", [2]),
    conv(3, [5, 6], { padding: 1 }),
    conv(0, [7], { stride: 2 }),
    norm(5, 8),
    node("add", [4, 6]),
    node("relu", [7]),
  ],
  output: 8,
});

/** A unit of a ResNet that leaves the map as large as it is. */
const plainUnit = (channels: number): BlockGraph => ({
  inputs: ["x"],
  slots: [[channels, channels, 3, 3], [channels], [channels], [channels], [channels], [channels, channels, 3, 3]],
  nodes: [
    conv(0, [0], { padding: 1 }),
    norm(1, 1),
    node("relu", [2]),
    conv(3, [5], { padding: 1 }),
    node("add", [4, 0]),
    node("relu", [5]),
  ],
  output: 6,
});

/** Pixels, a convolution and a pool, as the stem of a ResNet. */
const stem: BlockGraph = {
  inputs: ["x"],
  slots: [[16, 3, 7, 7], [16], [16], [16], [16]],
  nodes: [
    conv(0, [0], { stride: 2, padding: 3 }),
    norm(1, 1),
    node("relu", [2]),
    node("maxPool", [3], [], { kernel: 3, stride: 2, padding: 1 }),
  ],
  output: 4,
};

/** A dilated convolution that sees more padding than map. */
const dilated: BlockGraph = {
  inputs: ["x"],
  slots: [[5, 6, 3, 3], [5]],
  nodes: [conv(0, [0, 1], { padding: 2, dilation: 2 })],
  output: 1,
};

const pool: BlockGraph = { inputs: ["x"], slots: [], nodes: [node("globalAveragePool", [0])], output: 1 };

const bytesOf = (values: Float32Array) => ({
  kind: "inline" as const,
  bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
});

/** Positive, for some are variances. */
const valuesOf = (graph: BlockGraph): Float32Array[] =>
  graph.slots.map((shape, slot) =>
    Float32Array.from({ length: elementCount(shape) }, (_, i) => 0.05 + (((i + 1) * (slot + 3) * 7919) % 1009) / 5000),
  );

function asStored(graph: BlockGraph, name: string): GraphWithWeights {
  const values = valuesOf(graph);
  const of = (slot: number): Float32Array => values[slot] ?? new Float32Array(0);
  return { name, graph, values: of, data: (slot) => bytesOf(of(slot)) };
}

function asFused(stored: GraphWithWeights, dims: readonly number[]): GraphWithWeights {
  const fused = fuseConvs(stored.graph, [{ dims }], channels !== null);
  if (!fused) throw new Error(`${stored.name} cannot be fused`);
  const values = fused.slots.map((slot, index) => {
    const shape = fused.graph.slots[index] ?? [];
    const read = (from: number): Float32Array => stored.values(from);
    if (slot.kind === "stored") return read(slot.slot);
    if (slot.kind !== "blockedWeight") return foldSlot(slot, read, shape[0] ?? 0);
    const laidOut = new Float32Array(elementCount(shape));
    layOutWeight(slot, stored.graph, read, laidOut, channels ?? 0);
    return laidOut;
  });
  const of = (slot: number): Float32Array => values[slot] ?? new Float32Array(0);
  return { name: stored.name, graph: fused.graph, values: of, data: (slot) => bytesOf(of(slot)) };
}

async function run(chain: readonly GraphWithWeights[], dims: readonly number[], optimises: boolean) {
  const { bytes } = writeOnnx(chain, {
    graphName: "test",
    inputs: [{ value: { name: "x", type: "float", dims: ["batch", ...dims] }, info: { dims } }],
    outputName: "y",
  });
  const session = await ort.InferenceSession.create(bytes, {
    graphOptimizationLevel: optimises ? "all" : "disabled",
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const batch = 3;
  const x = Float32Array.from({ length: batch * elementCount(dims) }, (_, i) => ((i * 31) % 101) / 101 - 0.5);
  try {
    const y = (await session.run({ x: new ort.Tensor("float32", x, [batch, ...dims]) }))["y"];
    return { dims: y?.dims, values: y?.data as Float32Array };
  } finally {
    await session.release();
  }
}

const MAPS = [
  {
    what: "units on maps that become small",
    isBlocked: true,
    graphs: [unit(16, 32), unit(32, 48)],
    dims: [16, 16, 16],
  },
  { what: "a unit from a small map to one pixel", isBlocked: false, graphs: [unit(8, 12)], dims: [8, 2, 2] },
  {
    what: "a map of another height than width, and a pool",
    isBlocked: false,
    graphs: [unit(16, 16), pool],
    dims: [16, 3, 7],
  },
  ...[
    [2, 2],
    [1, 2],
    [2, 1],
    [1, 1],
  ].map(([height = 0, width = 0]) => ({
    what: `units on maps of ${height} x ${width} pixels`,
    isBlocked: false,
    graphs: [plainUnit(12), plainUnit(12)],
    dims: [12, height, width],
  })),
  { what: "dilation and no norm", isBlocked: false, graphs: [dilated], dims: [6, 3, 4] },
  {
    what: "pixels, a stem and units",
    isBlocked: true,
    graphs: [stem, unit(16, 32), unit(32, 32), pool],
    dims: [3, 40, 32],
  },
];

// not every processor has the blocked layout
const ON_THIS_MACHINE = MAPS.filter(({ isBlocked }) => !isBlocked || channels !== null);

it.each(ON_THIS_MACHINE)("computes fused graphs as the stored ones: $what", async ({ graphs, dims }) => {
  const stored = graphs.map((graph, index) => asStored(graph, `b${index}`));
  const fused: GraphWithWeights[] = [];
  let at: readonly number[] = dims;
  for (const part of stored) {
    fused.push(asFused(part, at));
    at = inferGraph(part.graph, [{ dims: at }]).output.dims;
  }
  const expected = await run(stored, dims, true);
  const actual = await run(fused, dims, false);
  expect(actual.dims).toEqual(expected.dims);
  const scale = Math.max(...expected.values.map(Math.abs));
  const off = Math.max(...actual.values.map((value, index) => Math.abs(value - (expected.values[index] ?? NaN))));
  expect(off / scale).toBeLessThan(1e-5);
});
