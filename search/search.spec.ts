import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fewPictures, storeChain, tinyCandidate } from "../test/device/make-search.ts";
import { openBlockStore } from "../indexer/store/block-store.ts";
import type { CandidateLink, SearchCandidate } from "./build-candidate.ts";
import type { ImageDataSet } from "./data/data-set.ts";
import { DEFAULT_SPEEDS } from "./plan/speeds.ts";
import { explainSearch, planFirstRound } from "./plan-search.ts";
import type { SearchOptions } from "./search-options.ts";
import type { SearchResult } from "./search-result.ts";
import { search } from "./search.ts";
import { measureItems } from "./plan/extent.ts";
import { seededRandom } from "./shuffle.ts";

// Families of tiny models: each chain takes at every place the block of one of these, which all have one structure.
const MODELS = [
  "facebook/detr-resnet-50",
  "acme-vision/detr-resnet-50-meter-digits",
  "harbor-labs/detr-resnet-50-meter-digits-v2",
];
const SEED = Number(process.env["ALSATIAN_TEST_SEED"] ?? 20261121);
let home: string;
let links: CandidateLink[][];
let dataSet: ImageDataSet;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "alsatian-search-"));
  links = [];
  for (const id of MODELS) links.push(await storeChain(id, home));
  dataSet = await fewPictures(home, { train: 40, test: 20 });
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** Chains that part at random places, some of them equal. */
function randomFamily(random: () => number): SearchCandidate[] {
  const count = 2 + Math.floor(random() * 6);
  return Array.from({ length: count }, (_, index) => {
    const from = Math.floor(random() * 8);
    const chain = (links[0] ?? []).map((own, place) => {
      if (place < from) return own;
      return links[Math.floor(random() * links.length)]?.[place] ?? own;
    });
    return tinyCandidate(`model-${index}`, chain);
  });
}

type Settings = Pick<SearchOptions, "strategy" | "budgetBytes" | "batchSize" | "threads" | "tuning">;

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

  it("measures the fastest batch where a search is long enough, remembers it, and gives the same scores", async () => {
    const family = randomFamily(seededRandom(SEED));
    const settings = { strategy: "alsatian" as const, budgetBytes: 4e9, threads: 1 };
    const short = await run(family, 1, settings);
    expect(short.tuned).toMatchObject({ how: "default", batchSize: 32, loadAhead: 1, rates: [] });
    const measured = await run(family, 1, { ...settings, tuning: { leastSeconds: 0, share: 1e4 } });
    expect(measured.tuned.how).toBe("measured");
    const sizes = measured.tuned.rates.map(({ batchSize }) => batchSize);
    expect(sizes).toEqual([32, 64, 16, 128, 8].slice(0, sizes.length)); // as many as there was time for
    expect(sizes).toContain(measured.tuned.batchSize);
    for (const speed of Object.values(measured.tuned.speeds)) expect(speed).toBeGreaterThan(0);
    const again = await run(family, 1, settings);
    expect(again.tuned).toEqual({ ...measured.tuned, how: "remembered" });
    expectSameScores(short, measured);
  });

  it("goes by what is remembered, shows that where a plan is explained, and gives the same scores", async () => {
    const family = randomFamily(seededRandom(SEED));
    const settings = { strategy: "alsatian" as const, budgetBytes: 4e9, threads: 1 };
    const fixed = await run(family, 1, { ...settings, batchSize: 32 });
    await run(family, 1, { ...settings, tuning: { leastSeconds: 0, share: 1e4 } });
    const folder = join(home, "cache", "tuning");
    for (const name of await readdir(folder)) {
      const kept = JSON.parse(await readFile(join(folder, name), "utf8")) as object;
      const faster = { batchSize: 16, threads: 1 };
      const speeds = { weights: 5e9, disk: 1.1e9, link: null };
      const changed = { ...kept, faster, speeds, loading: { seconds: 1e6, hidden: 0.9 } };
      await writeFile(join(folder, name), JSON.stringify(changed));
    }
    const expected = { how: "remembered", batchSize: 16, loadAhead: 1, speeds: { ...DEFAULT_SPEEDS, weights: 5e9 } };
    const { tuned, plan } = await explainSearch({ ...optionsOf(family, 1), ...settings });
    expect(tuned).toMatchObject(expected);
    expect(plan.batchSize).toBe(16);
    expect(plan.steps.some((step) => step.kind === "load" && step.beside)).toBe(true);
    const result = await run(family, 1, settings);
    expect(result.tuned).toEqual(tuned);
    expect(result.cost.peakBytes).toBeGreaterThanOrEqual(plan.peakBytes.host);
    expectSameScores(fixed, result);
  });
});
