import { readFile } from "node:fs/promises";
import { join } from "node:path";
import ort from "onnxruntime-node";
import type { BlockPlan, PictureSize } from "../../crawler/export/architecture.ts";
import type { BlockGraph } from "../../crawler/export/graph.ts";
import { getArchitecture } from "../../crawler/export/registry.ts";
import { maskedMeanFeature } from "../../crawler/export/sentence-pooling.ts";
import { firstTokenFeature } from "../../crawler/export/text-tower.ts";
import { encodeOnnxModel, type OnnxModel, type OnnxValueInfo } from "../../crawler/export/onnx-model.ts";
import type { Precision } from "../../crawler/export/precision.ts";
import { buildOnnx, writeOnnx, type ChainInput } from "../../crawler/export/write-onnx.ts";
import { inspectModel, type ExportPlan } from "../../crawler/inspect-model.ts";
import { openLocalRepository } from "../../crawler/local-repository.ts";
import { graphHash } from "../../indexer/hash-block.ts";
import { storeBackbone, type StoredBackbone } from "../../indexer/store-backbone.ts";
import type { BlockStore } from "../../indexer/store/block-store.ts";
import { storedChain } from "../../indexer/store/stored-chain.ts";
import type { Device } from "../../search/device/device.ts";
import { unsupportedOperators } from "../../search/device/unsupported-operators.ts";
import { probeBlockedLayout } from "../../search/run/blocked-layout.ts";
import { layoutProbe } from "../../search/run/layout-probe.ts";
import { fusedPart, fuseSegment } from "../../search/run/fuse-segment.ts";
import { WeightLayouter } from "../../search/run/lay-out-weights.ts";
import { openLaneSession } from "../../search/run/open-lane-session.ts";
import { isConvolutional } from "../../search/run/segment-graph.ts";
import type { GoldenEntry, loadGoldenIndex } from "./golden-index.ts";
import { floatsOf, readSafetensors } from "./read-safetensors.ts";
import { roundHalves } from "./round-halves.ts";
import { opens, runOnce } from "./run-once.ts";

export type Entry = Awaited<ReturnType<typeof loadGoldenIndex>>[number];

/** Brings the blocks of a reference's model into a store; the reason, where there is no exporter for it. */
export async function exportEntry(entry: Entry, store: BlockStore): Promise<ExportedEntry | Error> {
  const repository = await openLocalRepository(join(entry.folder, "hub", entry.id));
  const { export: inspected, config } = await inspectModel(repository, { includePickle: true });
  if (inspected instanceof Error) return inspected;
  const { checkpoint } = inspected;
  // at the reference's own size: a detection model's preprocessing asks for another
  const size = await sizeOf(entry);
  const backbone = size ? getArchitecture(config).build(checkpoint, config, size) : inspected.backbone;
  const plan = { ...inspected, backbone };
  return { plan, stored: await storeBackbone({ repository, checkpoint, backbone, store, tensors: "backbone" }) };
}

async function sizeOf(entry: Entry): Promise<PictureSize | undefined> {
  const picture = (await readSafetensors(join(entry.folder, entry.expected))).get("input.pixel_values");
  const [, , height, width] = picture?.shape ?? [];
  return height !== undefined && width !== undefined ? { height, width } : undefined;
}

/** Largest error in units of the tolerance: at most 1 passes. */
function worstError(actual: ort.Tensor, expected: ort.Tensor, { abs, rel }: GoldenEntry["tolerance"]): number {
  if (String(actual.dims) !== String(expected.dims)) return Infinity;
  const x = expected.data as Float32Array;
  return (actual.data as Float32Array).reduce((worst, y, index) => {
    const error = Math.abs(y - (x[index] ?? NaN)) / (abs + rel * Math.abs(x[index] ?? NaN));
    return error <= worst ? worst : error; // NaN counts as an error
  }, 0);
}

async function expectedTensors(entry: Entry) {
  const tensors = await readSafetensors(join(entry.folder, entry.expected));
  return (name: string): ort.Tensor => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`${entry.id} has no reference ${name}`);
    if (tensor.dtype === "I64") return new ort.Tensor("int64", new BigInt64Array(tensor.bytes.buffer), tensor.shape);
    return new ort.Tensor("float32", floatsOf(tensor), tensor.shape);
  };
}

/** The features that there are references for, with the heads that make them. */
async function headsOf({ checkpoint, backbone }: ExportPlan, entry: Entry): Promise<[string, BlockGraph][]> {
  if (!entry.extra_features.includes("feature.mean")) return [["feature", backbone.head]];
  const config: unknown = JSON.parse(await readFile(join(entry.folder, "hub", entry.id, "config.json"), "utf8"));
  const headOf = (head: BlockPlan) => getArchitecture(config).build(checkpoint, config, undefined, head).head;
  const chosen = headOf(maskedMeanFeature); // as its 1_Pooling/config.json says
  if (graphHash(backbone.head) !== graphHash(chosen)) throw new Error(`${entry.id}: its pooling is not the mean`);
  return [
    ["feature", headOf(firstTokenFeature)],
    ["feature.mean", headOf(maskedMeanFeature)],
  ];
}

/** How far an exported model is from its reference. Errors are in units of the tolerance: at most 1 passes. */
export interface Comparison {
  readonly architecture: string;
  /** Of each block's output. */
  readonly blocks: readonly NamedError[];
  /** Boundaries that the reference states. */
  readonly boundaries: number;
  /** Of each feature, run as one fused graph. */
  readonly features: readonly NamedError[];
}

export interface NamedError {
  readonly name: string;
  readonly error: number;
}

/** A comparison on another device than the CPU. */
export interface DeviceComparison extends Comparison {
  /** Operators that the device is known not to compute; without any it has run every node itself. */
  readonly unsupported: readonly string[];
}

/** A reference's model in the store. */
export interface ExportedEntry {
  readonly plan: ExportPlan;
  readonly stored: StoredBackbone;
}

/** What a model of a reference is run on. */
async function readFeeds({ plan }: ExportedEntry, entry: Entry): Promise<Record<string, ort.Tensor>> {
  const expected = await expectedTensors(entry);
  const { input } = plan.backbone;
  const names = input.kind === "image" ? ["pixel_values"] : input.names;
  return Object.fromEntries(names.map((name) => [name, expected(`input.${name}`)]));
}

function outputOf(outputs: Readonly<Record<string, ort.Tensor>>, name: string): ort.Tensor {
  const output = outputs[name];
  if (!output) throw new Error(`no output ${name}`);
  return output;
}

/** Runs an exported model on a reference's input on the CPU: block by block, each as a file of its own, and fused. */
export async function compareEntry(entry: Entry, store: BlockStore, exported: ExportedEntry): Promise<Comparison> {
  const { plan, stored } = exported;
  const expected = await expectedTensors(entry);
  const { architecture, blocks } = plan.backbone;
  const feeds = await readFeeds(exported, entry);
  const options = { device: "cpu", weightsFolder: store.folder } as const;
  let [x] = Object.values(feeds);
  const errors = [];
  for (const [index, block] of stored.blocks.entries()) {
    const read = new Set(blocks[index]?.graph.inputs);
    const further = Object.fromEntries(Object.entries(feeds).filter(([name]) => read.has(name)));
    const outcome = await runOnce(store.onnxPath(block.blockId), { ...further, ...(x && { x }) }, options);
    x = outputOf(outcome, "y");
    const boundary = entry.hidden[index];
    const error = boundary ? worstError(x, expected(boundary.tensor), entry.tolerance) : Infinity;
    errors.push({ name: block.name, error });
  }
  const features = [];
  for (const { name, model } of await buildFeatures(entry, store, exported)) {
    const feature = outputOf(await runOnce(encodeOnnxModel(model), feeds, options), "feature");
    features.push({ name, error: worstError(feature, expected(name), entry.tolerance) });
  }
  return { architecture, blocks: errors, boundaries: entry.hidden.length, features };
}

/**
 * Runs an exported model on a reference's input on a device, as one fused graph that also puts out what each block makes:
 * a device that compiles its programs anew for each session takes as long for every block as for the whole.
 */
export async function compareFused(
  entry: Entry,
  store: BlockStore,
  exported: ExportedEntry,
  device: Device,
): Promise<DeviceComparison> {
  const expected = await expectedTensors(entry);
  const feeds = await readFeeds(exported, entry);
  const blocks: NamedError[] = [];
  const features: NamedError[] = [];
  const names = exported.stored.blocks.map(({ name }, index) => `b${index}.${name}`);
  const { architecture, blocks: parts, head } = exported.plan.backbone;
  const graphs = [...parts.map(({ graph }) => graph), head];
  const operators = new Set(graphs.flatMap(({ nodes }) => nodes.map(({ operator }) => operator)));
  const unsupported = unsupportedOperators(device, [...operators]);
  const alone = device !== "cpu" && unsupported.length === 0;
  const weightsFolder = store.folder;
  for (const { name, model } of await buildFeatures(entry, store, exported)) {
    const made = names.map((block) => model.nodes.findLast((node) => node.name.startsWith(`${block}/`))?.name ?? "");
    const boundaries = entry.hidden.map(({ tensor }) => expected(tensor));
    const added = boundaries.map(({ dims }, index) => boundaryOutput(made[index] ?? "", dims.length));
    const whole = { ...model, outputs: [...model.outputs, ...added] };
    const bytes = encodeOnnxModel(whole);
    const outcome = await runOnce(bytes, feeds, { device, alone, weightsFolder });
    if (unsupported.length > 0 && (await opens(bytes, { device, alone: true, weightsFolder }))) {
      throw new Error(
        `${device} computes ${unsupported.join(", ")}, but unsupported-operators.ts says that it does not`,
      );
    }
    if (features.length === 0) {
      for (const [index, boundary] of boundaries.entries()) {
        const error = worstError(outputOf(outcome, made[index] ?? ""), boundary, entry.tolerance);
        blocks.push({ name: names[index] ?? "", error });
      }
    }
    features.push({ name, error: worstError(outputOf(outcome, "feature"), expected(name), entry.tolerance) });
  }
  return { architecture, blocks, boundaries: entry.hidden.length, features, unsupported };
}

const boundaryOutput = (name: string, rank: number): OnnxValueInfo => ({
  name,
  type: "float",
  dims: Array.from({ length: rank }, (_, axis) => `${name}_${axis}`),
});

/** Each feature that there is a reference for, as one fused graph. */
async function buildFeatures(entry: Entry, store: BlockStore, exported: ExportedEntry, precision?: Precision) {
  const inputs = await inputsOf(exported, entry);
  const built = [];
  for (const { name, links } of await featureLinks(entry, store, exported)) {
    const options = { graphName: entry.id, inputs, outputName: "feature", ...(precision && { precision }) };
    built.push({ name, model: buildOnnx(await storedChain(store, links), options).model });
  }
  return built;
}

/** The blocks that lead to each feature that there is a reference for. */
async function featureLinks(entry: Entry, store: BlockStore, { plan, stored }: ExportedEntry) {
  const features = [];
  for (const [name, graph] of await headsOf(plan, entry)) {
    const head = { name: "feature", graphHash: await store.writeGraph(graph), blockId: null };
    features.push({ name, links: [...stored.blocks, head] });
  }
  return features;
}

async function inputsOf(exported: ExportedEntry, entry: Entry): Promise<ChainInput[]> {
  const { kind } = exported.plan.backbone.input;
  return Object.entries(await readFeeds(exported, entry)).map(([name, { dims }]) => ({
    value: { name, type: kind === "image" ? "float" : "int64", dims: ["batch", ...dims.slice(1)] },
    info: { dims: dims.slice(1) },
  }));
}

/** The errors of features in the form in which a search runs them on the CPU, and whether convolutions are fused there. */
export async function compareOnLanes(
  entry: Entry,
  { home, store }: { readonly home: string; readonly store: BlockStore },
  exported: ExportedEntry,
): Promise<{ readonly isFused: boolean; readonly features: readonly NamedError[] }> {
  const expected = await expectedTensors(entry);
  const inputs = await inputsOf(exported, entry);
  const channels = await probeBlockedLayout(layoutProbe());
  const features: NamedError[] = [];
  let isFused = false;
  for (const { name, links: blocks } of await featureLinks(entry, store, exported)) {
    const chain = await storedChain(store, blocks, home);
    const input = inputs[0]?.info;
    const links =
      isConvolutional(chain) && input ? fuseSegment({ blocks, input }, chain, { home, store, channels }) : null;
    isFused ||= links !== null;
    for (const { laidOut } of links ?? []) if (laidOut) new WeightLayouter().layOut(laidOut);
    const parts = links?.map(fusedPart) ?? chain;
    const options = { graphName: entry.id, inputs, outputName: "feature", weightsInPlace: true };
    const { bytes } = writeOnnx(parts, options);
    const session = await openLaneSession({ model: bytes, folder: home, isOptimized: links !== null });
    try {
      const feature = outputOf(await session.run(await readFeeds(exported, entry)), "feature");
      features.push({ name, error: worstError(feature, expected(name), entry.tolerance) });
    } finally {
      await session.release();
    }
  }
  return { isFused, features };
}

/** The relative errors that float16 brings: for each item, |feature - float32's| / |float32's|, as vectors. */
export async function compareHalf(entry: Entry, store: BlockStore, exported: ExportedEntry): Promise<number[]> {
  const feeds = await readFeeds(exported, entry);
  const options = { device: "cpu", weightsFolder: store.folder } as const;
  const values = async (model: OnnxModel) => outputOf(await runOnce(encodeOnnxModel(model), feeds, options), "feature");
  const exact = await buildFeatures(entry, store, exported);
  const half = await buildFeatures(entry, store, exported, "fp16");
  const errors: number[] = [];
  for (const [index, { model }] of exact.entries()) {
    const rounded = half[index]?.model;
    if (rounded) errors.push(...relativeErrors(await values(roundHalves(rounded)), await values(model)));
  }
  return errors;
}

function relativeErrors(actual: ort.Tensor, expected: ort.Tensor): number[] {
  const [items = 0, width = 0] = expected.dims;
  const [a, b] = [actual.data as Float32Array, expected.data as Float32Array];
  return Array.from({ length: items }, (_, item) => {
    const places = Array.from({ length: width }, (__, column) => item * width + column);
    const off = Math.hypot(...places.map((place) => (a[place] ?? NaN) - (b[place] ?? NaN)));
    return off / Math.hypot(...places.map((place) => b[place] ?? NaN));
  });
}
