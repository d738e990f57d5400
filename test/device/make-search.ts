import { inspectModel } from "../../crawler/inspect-model.ts";
import { openLocalRepository } from "../../crawler/local-repository.ts";
import { packageFile } from "../../crawler/package-file.ts";
import type { Preprocessing } from "../../crawler/preprocessing/preprocessing.ts";
import { graphHash } from "../../indexer/hash-block.ts";
import { storeBackbone } from "../../indexer/store-backbone.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import { buildCandidate, type CandidateLink, type SearchCandidate } from "../../search/build-candidate.ts";
import type { ImageDataSet } from "../../search/data/data-set.ts";
import { loadDataSet } from "../../search/data/load-data-set.ts";

/** Pixels of a side. */
const SIZE = 32;

const preprocessing: Preprocessing = {
  steps: [
    { kind: "resize", to: { kind: "exact", height: SIZE, width: SIZE }, resample: "bilinear" },
    { kind: "crop", height: SIZE, width: SIZE, odd: "torchvision", fill: [0, 0, 0] },
  ],
  height: SIZE,
  width: SIZE,
  scale: [1 / 255, 1 / 255, 1 / 255],
  bias: [-0.5, -0.5, -0.5],
};

/** Stores a model of the sample hub; its chain, with the head. */
export async function storeChain(modelId: string, home: string): Promise<CandidateLink[]> {
  const repository = await openLocalRepository(packageFile("data", "sample-hub", ...modelId.split("/")));
  const { export: plan } = await inspectModel(repository);
  if (plan instanceof Error) throw plan;
  const { checkpoint, backbone } = plan;
  const stored = await storeBackbone({
    ...{ repository, checkpoint, backbone, tensors: "backbone" },
    store: openBlockStore(home),
  });
  const head = { name: "feature", blockId: null, graphHash: graphHash(backbone.head), bytes: 0, graph: backbone.head };
  return [
    ...stored.blocks.map((block, index) => ({ ...block, graph: backbone.blocks[index]?.graph ?? backbone.head })),
    head,
  ];
}

export const tinyCandidate = (name: string, chain: readonly CandidateLink[]): SearchCandidate =>
  buildCandidate(
    { modelId: `tiny/${name}`, revision: "0".repeat(40), preprocessing, inputNames: ["pixel_values"] },
    chain,
  );

/** Some of the pictures that ship. */
export async function fewPictures(
  home: string,
  { train, test }: { train: number; test: number },
): Promise<ImageDataSet> {
  const whole = await loadDataSet({ path: packageFile("data", "sample-images"), seed: 0, home });
  if (whole.kind !== "image") throw new Error("the sample data set has pictures");
  const some = <T>(items: readonly T[], count: number): T[] =>
    items.filter((_, index) => index % Math.floor(items.length / count) === 0);
  return { ...whole, train: some(whole.train, train), test: some(whole.test, test) };
}
