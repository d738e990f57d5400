import { readFile } from "node:fs/promises";
import { join } from "node:path";
import ort from "onnxruntime-node";
import type { BlockPlan, PictureSize } from "../../crawler/export/architecture.ts";
import type { BlockGraph } from "../../crawler/export/graph.ts";
import { getArchitecture } from "../../crawler/export/registry.ts";
import { maskedMeanFeature } from "../../crawler/export/sentence-pooling.ts";
import { firstTokenFeature } from "../../crawler/export/text-tower.ts";
import { writeOnnx } from "../../crawler/export/write-onnx.ts";
import { inspectModel, type ExportPlan } from "../../crawler/inspect-model.ts";
import { openLocalRepository } from "../../crawler/local-repository.ts";
import { graphHash } from "../../indexer/hash-block.ts";
import { storeBackbone, type StoredBackbone } from "../../indexer/store-backbone.ts";
import type { BlockStore } from "../../indexer/store/block-store.ts";
import { storedChain } from "../../indexer/store/stored-chain.ts";
import type { GoldenEntry, loadGoldenIndex } from "./golden-index.ts";
import { floatsOf, readSafetensors } from "./read-safetensors.ts";

export type Entry = Awaited<ReturnType<typeof loadGoldenIndex>>[number];

/** Brings the blocks of a reference's model into a store; the reason, where there is no exporter for it. */
export async function exportEntry(
  entry: Entry,
  store: BlockStore,
): Promise<{ plan: ExportPlan; stored: StoredBackbone } | Error> {
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

async function runOnce(
  store: BlockStore,
  model: string | Uint8Array,
  feeds: Record<string, ort.Tensor>,
  output: string,
): Promise<ort.Tensor> {
  const options: ort.InferenceSession.SessionOptions = {
    enableCpuMemArena: false,
    extra: { session: { model_external_initializers_file_folder_path: store.folder } },
  };
  const session = await (typeof model === "string"
    ? ort.InferenceSession.create(model, { enableCpuMemArena: false })
    : ort.InferenceSession.create(model, options));
  try {
    const result = (await session.run(feeds))[output];
    if (!result) throw new Error(`no output ${output}`);
    return result;
  } finally {
    await session.release();
  }
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
  /** Of each block, run as a file of its own. */
  readonly blocks: readonly { readonly name: string; readonly error: number }[];
  /** Boundaries that the reference states. */
  readonly boundaries: number;
  /** Of each feature, run as one fused graph. */
  readonly features: readonly { readonly name: string; readonly error: number }[];
}

/** Runs an exported model on a reference's input, block by block and fused. */
export async function compareEntry(
  entry: Entry,
  store: BlockStore,
  { plan, stored }: { readonly plan: ExportPlan; readonly stored: StoredBackbone },
): Promise<Comparison> {
  const expected = await expectedTensors(entry);
  const { input, blocks } = plan.backbone;
  const names = input.kind === "image" ? ["pixel_values"] : input.names;
  const feeds = Object.fromEntries(names.map((name) => [name, expected(`input.${name}`)]));
  let x = expected(`input.${names[0] ?? ""}`);
  const dims = x.dims.slice(1);
  const errors = [];
  for (const [index, block] of stored.blocks.entries()) {
    const read = new Set(blocks[index]?.graph.inputs);
    const further = Object.fromEntries(Object.entries(feeds).filter(([name]) => read.has(name)));
    x = await runOnce(store, store.onnxPath(block.blockId), { ...further, x }, "y");
    const boundary = entry.hidden[index];
    const error = boundary ? worstError(x, expected(boundary.tensor), entry.tolerance) : Infinity;
    errors.push({ name: block.name, error });
  }
  const type = input.kind === "image" ? "float" : "int64";
  const features = [];
  for (const [name, graph] of await headsOf(plan, entry)) {
    const head = { name: "feature", graphHash: await store.writeGraph(graph), blockId: null };
    const { bytes } = writeOnnx(await storedChain(store, [...stored.blocks, head]), {
      graphName: entry.id,
      inputs: names.map((value) => ({ value: { name: value, type, dims: ["batch", ...dims] }, info: { dims } })),
      outputName: "feature",
    });
    const feature = await runOnce(store, bytes, feeds, "feature");
    features.push({ name, error: worstError(feature, expected(name), entry.tolerance) });
  }
  return { architecture: plan.backbone.architecture, blocks: errors, boundaries: entry.hidden.length, features };
}
