import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ort from "onnxruntime-node";
import { encodeOnnxModel, type OnnxModel } from "../../crawler/export/onnx-model.ts";
import { PRECISIONS, type Precision } from "../../crawler/export/precision.ts";
import { buildOnnx } from "../../crawler/export/write-onnx.ts";
import { inspectModel, type ExportPlan } from "../../crawler/inspect-model.ts";
import { openLocalRepository } from "../../crawler/local-repository.ts";
import { packageFile } from "../../crawler/package-file.ts";
import type { Preprocessing } from "../../crawler/preprocessing/preprocessing.ts";
import { storeBackbone } from "../../indexer/store-backbone.ts";
import { openBlockStore, type BlockStore } from "../../indexer/store/block-store.ts";
import { storedChain } from "../../indexer/store/stored-chain.ts";
import type { ImageDataSet, ImageItem } from "../../search/data/data-set.ts";
import { loadDataSet } from "../../search/data/load-data-set.ts";
import { preprocessItem } from "../../search/data/preprocess-item.ts";
import { getProxy } from "../../search/proxy/proxy.ts";
import { compareHalf, exportEntry } from "./compare-entry.ts";
import { hasAllReferences, loadGoldenIndex } from "./golden-index.ts";
import { roundHalves } from "./round-halves.ts";

/**
 * Measures what half precision does to features and ranks, and prints it as tables: `node
 * dist/test/golden/measure-precision.js`. Rounding is that of a device (round-halves.ts), which takes no GPU.
 */
const BATCH = 20;

const home = await mkdtemp(join(tmpdir(), "alsatian-precision-"));
try {
  const store = openBlockStore(home);
  await measureReferences(store);
  await measureRanks(store);
} finally {
  await rm(home, { recursive: true, force: true });
}

/** The relative error of features on all references, by architecture. */
async function measureReferences(store: BlockStore): Promise<void> {
  if (!hasAllReferences()) process.stderr.write("only the references that ship are here\n");
  const found = new Map<string, number[]>();
  for (const entry of await loadGoldenIndex()) {
    const exported = await exportEntry(entry, store);
    if (exported instanceof Error) throw exported;
    const { architecture } = exported.plan.backbone;
    found.set(architecture, [...(found.get(architecture) ?? []), ...(await compareHalf(entry, store, exported))]);
  }
  print(["architecture", "features", "median", "max"]);
  for (const [architecture, errors] of [...found].sort()) {
    const sorted = errors.toSorted((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? NaN;
    print([architecture, String(sorted.length), median.toExponential(1), (sorted.at(-1) ?? NaN).toExponential(1)]);
  }
}

/** The scores of the sample hub's models on the sample pictures. */
async function measureRanks(store: BlockStore): Promise<void> {
  const dataSet = await loadDataSet({ path: packageFile("data", "sample-images"), seed: 0, home });
  if (dataSet.kind !== "image") throw new Error("the sample data set has pictures");
  const scores: { readonly model: string; readonly score: Readonly<Record<Precision, number>> }[] = [];
  const pictures = new Map<string, Promise<Uint8Array[]>>();
  for (const model of await listModels()) {
    const repository = await openLocalRepository(packageFile("data", "sample-hub", model));
    const { export: plan } = await inspectModel(repository);
    if (plan instanceof Error || plan.backbone.architecture !== "detr") continue;
    const { checkpoint, backbone, preprocessing } = plan;
    if (!("scale" in preprocessing.preprocessing)) throw new Error(`${model} takes no pictures`);
    const stored = await storeBackbone({ repository, checkpoint, backbone, store, tensors: "backbone" });
    const settings = preprocessing.preprocessing;
    const key = JSON.stringify(settings);
    const prepared = pictures.get(key) ?? prepare([...dataSet.train, ...dataSet.test], settings);
    pictures.set(key, prepared);
    const of = async (precision: Precision) =>
      scoreOf(await features(store, plan, stored.blocks, settings, precision, await prepared), dataSet);
    scores.push({ model, score: { fp32: await of("fp32"), fp16: await of("fp16") } });
    process.stderr.write(`${model}\n`);
  }
  const ranks = (precision: Precision) =>
    new Map(
      scores.toSorted((a, b) => b.score[precision] - a.score[precision]).map(({ model }, index) => [model, index + 1]),
    );
  const [exact, half] = [ranks("fp32"), ranks("fp16")];
  print(["model", ...PRECISIONS.flatMap((precision) => [`score ${precision}`, `rank ${precision}`])]);
  for (const { model, score } of scores.toSorted((a, b) => b.score.fp32 - a.score.fp32)) {
    print([model, score.fp32.toFixed(4), String(exact.get(model)), score.fp16.toFixed(4), String(half.get(model))]);
  }
}

function print(cells: readonly string[]): void {
  process.stdout.write(`| ${cells.join(" | ")} |\n`);
}

async function listModels(): Promise<string[]> {
  const root = packageFile("data", "sample-hub");
  const found: string[] = [];
  for (const owner of (await readdir(root, { withFileTypes: true })).filter((entry) => entry.isDirectory())) {
    for (const name of await readdir(join(root, owner.name))) found.push(`${owner.name}/${name}`);
  }
  return found.sort();
}

function prepare(items: readonly ImageItem[], preprocessing: Preprocessing): Promise<Uint8Array[]> {
  return Promise.all(
    items.map(async (item, index) => {
      const outcome = await preprocessItem({ index, item }, preprocessing);
      if ("reason" in outcome) throw new Error(`${item.path}: ${outcome.reason}`);
      return outcome.input;
    }),
  );
}

/** Rows of all items. */
async function features(
  store: BlockStore,
  { backbone }: ExportPlan,
  blocks: readonly { readonly name: string; readonly blockId: string; readonly graphHash: string }[],
  { height, width, scale, bias }: Preprocessing,
  precision: Precision,
  pictures: readonly Uint8Array[],
): Promise<Float32Array> {
  const head = { name: "feature", graphHash: await store.writeGraph(backbone.head), blockId: null };
  const info = { dims: [3, height, width] };
  const { model, output } = buildOnnx(await storedChain(store, [...blocks, head]), {
    graphName: "feature",
    inputs: [{ value: { name: "x", type: "uint8", dims: ["batch", ...info.dims] }, info, pixels: { scale, bias } }],
    outputName: "y",
    precision,
  });
  const session = await open(precision === "fp16" ? roundHalves(model) : model, store);
  try {
    const rows = new Float32Array(pictures.length * (output.dims[0] ?? 0));
    for (let begin = 0; begin < pictures.length; begin += BATCH) {
      const batch = pictures.slice(begin, begin + BATCH);
      const x = new ort.Tensor("uint8", Buffer.concat(batch), [batch.length, ...info.dims]);
      rows.set((await session.run({ x }))["y"]?.data as Float32Array, begin * (output.dims[0] ?? 0));
    }
    return rows;
  } finally {
    await session.release();
  }
}

function open(model: OnnxModel, { folder }: BlockStore): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(encodeOnnxModel(model), {
    enableCpuMemArena: false,
    extra: { session: { model_external_initializers_file_folder_path: folder } },
  });
}

async function scoreOf(rows: Float32Array, { train, test, classes }: ImageDataSet): Promise<number> {
  const dim = rows.length / (train.length + test.length);
  const { score } = await getProxy("linear").score({
    train: rows.subarray(0, train.length * dim),
    trainLabels: Int32Array.from(train, ({ label }) => label),
    test: rows.subarray(train.length * dim),
    testLabels: Int32Array.from(test, ({ label }) => label),
    classes: classes.length,
    dim,
  });
  return score;
}
