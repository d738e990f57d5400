import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inspectModel } from "../crawler/inspect-model.ts";
import { openLocalRepository } from "../crawler/local-repository.ts";
import { packageFile } from "../crawler/package-file.ts";
import type { Preprocessing } from "../crawler/preprocessing/preprocessing.ts";
import { graphHash } from "../indexer/hash-block.ts";
import { storeBackbone } from "../indexer/store-backbone.ts";
import { openBlockStore } from "../indexer/store/block-store.ts";
import { buildCandidate, type CandidateLink, type SearchCandidate } from "./build-candidate.ts";
import type { ImageDataSet } from "./data/data-set.ts";
import { loadDataSet } from "./data/load-data-set.ts";
import { planFirstRound, search, type SearchOptions, type SearchResult } from "./search.ts";
import { measureItems } from "./plan/extent.ts";
import { seededRandom } from "./shuffle.ts";

// Families of tiny models: each chain takes at every place the block of one of these, which all have one structure.
const MODELS = [
  "facebook/detr-resnet-50",
  "acme-vision/detr-resnet-50-meter-digits",
  "harbor-labs/detr-resnet-50-meter-digits-v2",
];
const SEED = Number(process.env["ALSATIAN_TEST_SEED"] ?? 20261121);
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

let home: string;
let links: CandidateLink[][];
let dataSet: ImageDataSet;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "alsatian-search-"));
  links = [];
  for (const id of MODELS) links.push(await store(id));
  const whole = await loadDataSet({ path: packageFile("data", "sample-images"), seed: 0, home });
  if (whole.kind !== "image") throw new Error("the sample data set has pictures");
  const some = <T>(items: readonly T[], count: number) =>
    items.filter((_, i) => i % Math.floor(items.length / count) === 0);
  dataSet = { ...whole, train: some(whole.train, 40), test: some(whole.test, 20) };
}, 60_000);
afterAll(() => rm(home, { recursive: true, force: true }));

async function store(modelId: string): Promise<CandidateLink[]> {
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

/** Chains that part at random places, some of them equal. */
function randomFamily(random: () => number): SearchCandidate[] {
  const count = 2 + Math.floor(random() * 6);
  return Array.from({ length: count }, (_, index) => {
    const from = Math.floor(random() * 8);
    const chain = (links[0] ?? []).map((own, place) => {
      if (place < from) return own;
      return links[Math.floor(random() * links.length)]?.[place] ?? own;
    });
    const model = {
      modelId: `tiny/model-${index}`,
      revision: "0".repeat(40),
      preprocessing,
      inputNames: ["pixel_values"],
    };
    return buildCandidate(model, chain);
  });
}

type Settings = Pick<SearchOptions, "strategy" | "budgetBytes" | "batchSize" | "threads">;

async function run(candidates: readonly SearchCandidate[], seed: number, settings: Settings): Promise<SearchResult> {
  await rm(join(home, "cache", "features"), { recursive: true, force: true });
  return search({ ...optionsOf(candidates, seed), ...settings });
}

const optionsOf = (candidates: readonly SearchCandidate[], seed: number) => ({
  ...{ home, store: openBlockStore(home), candidates, dataSet, seed },
  ...{ proxy: "linear", top: 1, rounds: undefined, imageSize: undefined },
});

/** Models that were scored on equally many items have equal scores, but for one test item that rounding may turn. */
function expectSameScores(a: SearchResult, b: SearchResult): void {
  const scores = new Map(a.ranking.map(({ model, items, score }) => [`${model} ${items}`, score]));
  const compared = b.ranking.filter(({ model, items }) => scores.has(`${model} ${items}`));
  expect(compared.length).toBeGreaterThan(0);
  for (const { model, items, score } of compared) {
    const other = scores.get(`${model} ${items}`) ?? NaN;
    expect(Math.abs(score - other), `${model} on ${items} items`).toBeLessThanOrEqual(1.01 / dataSet.test.length);
  }
}

describe("search", () => {
  it.each([0, 1, 2, 3, 4, 5])(
    `scores a random family alike whatever the strategy, budget, batch and threads (seed ${SEED} + %i)`,
    async (turn) => {
      const random = seededRandom(SEED + turn);
      const family = randomFamily(random);
      const seed = Math.floor(random() * 1000);
      const plain: Settings = { strategy: "shift", budgetBytes: 4e9, batchSize: 32, threads: 1 };
      const reference = await run(family, seed, plain);
      const { plan } = planFirstRound({ ...optionsOf(family, seed), ...plain, strategy: "alsatian" }, measureItems);
      const others: Settings[] = [
        { strategy: "base", budgetBytes: 4e9, batchSize: 7, threads: 2 },
        { strategy: "alsatian", budgetBytes: 4e9, batchSize: 32, threads: 2 },
        ...[1, 0.5, 0.25].map((share) => ({
          strategy: "alsatian" as const,
          budgetBytes: Math.ceil(plan.peakBytes.host * share),
          batchSize: 1 + Math.floor(random() * 40),
          threads: 1 + Math.floor(random() * 3),
        })),
      ];
      for (const settings of others) {
        const result = await run(family, seed, settings);
        expect(result.failed).toEqual([]);
        expect(result.cost.peakBytes).toBeLessThanOrEqual(settings.budgetBytes);
        expectSameScores(reference, result);
      }
    },
    60_000,
  );

  it("reads the features of a second search from the store, and runs nothing", async () => {
    const family = randomFamily(seededRandom(SEED));
    const settings: Settings = { strategy: "alsatian", budgetBytes: 4e9, batchSize: 16, threads: 1 };
    const first = await run(family, 1, settings);
    const second = await search({ ...optionsOf(family, 1), ...settings });
    expect(first.cost.blockItems).toBeGreaterThan(0);
    expect(second.cost).toMatchObject({ blockItems: 0, bytesLoaded: 0 });
    expect(second.ranking).toEqual(first.ranking);
  });
});
