import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import ort from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { packageFile } from "../../crawler/package-file.ts";
import { parsePreprocessorConfig } from "../../crawler/preprocessing/parse-preprocessor-config.ts";
import { decodeImage } from "../../search/data/decode-image.ts";
import { preprocessImage } from "../../search/data/preprocess-image.ts";
import { runCommand, runJson } from "./run-command.ts";

/** The main job on the sample hub, as a user runs it; its results against PyTorch and scikit-learn. */
const modelSchema = z.object({
  id: z.string(),
  pattern: z.string(),
  blocks: z.number(),
  sharedBlocks: z.number(),
  sharedPrefix: z.number(),
  probeAccuracy: z.number(),
  feature: z.array(z.number()),
});
const expectedSchema = z.object({
  base: z.string(),
  notOfTheFamily: z.array(z.string()),
  /** The picture whose features are stored. */
  picture: z.string(),
  models: z.array(modelSchema).transform((models) => Object.fromEntries(models.map((model) => [model.id, model]))),
});
const scoreSchema = z.object({ model: z.string(), score: z.number(), round: z.number(), rank: z.number() });
const searchSchema = z.object({
  run: z.string(),
  items: z.object({ train: z.number(), test: z.number() }),
  rounds: z.array(z.object({ models: z.number(), items: z.number() })),
  ranking: z.array(scoreSchema),
  cost: z.object({
    blockItems: z.number(),
    baseBlockItems: z.number(),
    peakBytes: z.number(),
    budget: z.number(),
    cacheHits: z.number(),
  }),
});

const FAMILY = ["--family", "detr-resnet-50", "--hub", "sample"];
let expected: z.infer<typeof expectedSchema>;
let home: string;
const at = (...args: string[]): string[] => [...args, "--home", home];

beforeAll(async () => {
  expected = expectedSchema.parse(JSON.parse(await readFile(packageFile("test", "sample-hub-expected.json"), "utf8")));
  home = await mkdtemp(join(tmpdir(), "alsatian-sample-"));
  const { code, stderr } = await runCommand(at("crawl", ...FAMILY));
  expect(code, stderr).toBe(0);
});
afterAll(() => rm(home, { recursive: true, force: true }));

const clearFeatures = () => rm(join(home, "cache", "features"), { recursive: true, force: true });

/** Waits until a search has kept its first round. */
async function firstRound(run: string): Promise<void> {
  for (;;) {
    const state = await readFile(join(home, "runs", `${run}.json`), "utf8").catch(() => "");
    if (/"rounds":\[\{/.test(state)) return;
    await sleep(10);
  }
}

async function search(...args: string[]) {
  return searchSchema.parse(await runJson(at("search", ...FAMILY, ...args)));
}

describe("crawl", () => {
  it("asks for each page of the listings once and downloads nothing when nothing is new", async () => {
    const report = z
      .object({
        models: z.record(z.string(), z.number()),
        bytes: z.object({ downloaded: z.number() }),
        requests: z.number(),
      })
      .parse(await runJson(at("crawl", ...FAMILY)));
    expect(report.models).toMatchObject({ listed: Object.keys(expected.models).length, indexed: 0, failed: 0 });
    expect(report.models.unchanged).toBe(report.models.listed);
    expect(report.bytes.downloaded).toBe(0);
    expect(report.requests).toBe(2); // the listing by tag has one page, and the listing by name
  });

  it("takes the models of the family and no others", async () => {
    const rows = await runJson(at("sql", "SELECT model_id FROM models WHERE status = 'indexed' ORDER BY 1"));
    expect(rows).toEqual(
      Object.keys(expected.models)
        .sort()
        .map((model_id) => ({ model_id })),
    );
    const strangers = await runJson(at("sql", "SELECT model_id, family FROM models WHERE status <> 'indexed'"));
    expect(strangers).toEqual(expected.notOfTheFamily.map((model_id) => ({ model_id, family: null })));
  });

  it("says what it would read, and changes nothing, when it is a dry run", async () => {
    const other = await mkdtemp(join(tmpdir(), "alsatian-dry-"));
    try {
      const report = z
        .object({ planned: z.object({ models: z.number(), requests: z.number(), bytes: z.number() }) })
        .parse(await runJson(["crawl", ...FAMILY, "--dry-run", "--home", other]));
      expect(report.planned.models).toBe(Object.keys(expected.models).length);
      const [{ bytes } = { bytes: 0 }] = z
        .array(z.object({ bytes: z.number() }))
        .parse(
          await runJson(
            at(
              "sql",
              "SELECT sum(t.bytes)::INT AS bytes FROM tensors t JOIN models m USING (model_id) WHERE block IS NOT NULL AND status = 'indexed'",
            ),
          ),
        );
      expect(report.planned.bytes).toBeGreaterThanOrEqual(bytes);
      expect((await runCommand(["overlap", "--family", "detr-resnet-50", "--home", other])).code).toBe(2);
    } finally {
      await rm(other, { recursive: true, force: true });
    }
  });

  it("reads the heads too when told to, so that they can be compared", async () => {
    const model = "acme-vision/detr-resnet-50-digits-head-only";
    const differing = async () =>
      z
        .object({ tensors: z.array(z.object({ same: z.boolean().nullable(), block: z.string().nullable() })) })
        .parse(await runJson(at("compare", expected.base, model)))
        .tensors.filter(({ block }) => block === null);
    expect(new Set((await differing()).map(({ same }) => same))).toEqual(new Set([null]));
    for (const id of [expected.base, model]) {
      await runJson(at("crawl", "--model", id, "--hub", "sample", "--tensors", "all"));
    }
    const heads = await differing();
    expect(heads.every(({ same }) => same !== null)).toBe(true);
    expect(heads.some(({ same }) => same === false)).toBe(true);
  });

  it("leaves the same catalog after kill -9 in the middle and a second run", async () => {
    const other = await mkdtemp(join(tmpdir(), "alsatian-killed-"));
    try {
      await runCommand(["crawl", ...FAMILY, "--home", other], {
        onOutput: (_, kill) => setTimeout(() => kill("SIGKILL"), 300),
      });
      expect((await runCommand(["crawl", ...FAMILY, "--home", other])).code).toBe(0);
      const rows = "SELECT model_id, position, block_id, prefix_id FROM model_blocks ORDER BY ALL";
      expect(await runJson(["sql", rows, "--home", other])).toEqual(await runJson(at("sql", rows)));
      expect((await runCommand(["index", "--verify", "--home", other])).code).toBe(0);
    } finally {
      await rm(other, { recursive: true, force: true });
    }
  });
});

describe("overlap", () => {
  it("finds every pattern of the sample hub", async () => {
    const overlap = z
      .object({
        models: z.array(
          z.object({
            model: z.string(),
            pattern: z.string(),
            blocks: z.number(),
            sharedBlocks: z.number(),
            sharedPrefix: z.number(),
          }),
        ),
        summary: z.object({ patterns: z.record(z.string(), z.number()), models: z.number() }),
      })
      .parse(await runJson(at("overlap", "--family", "detr-resnet-50")));
    const fineTunes = Object.entries(expected.models).filter(([id]) => id !== expected.base);
    expect(overlap.models.map(({ model, ...rest }) => [model, rest])).toEqual(
      fineTunes
        .map(
          ([id, { pattern, blocks, sharedBlocks, sharedPrefix }]) =>
            [id, { pattern, blocks, sharedBlocks, sharedPrefix }] as const,
        )
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
    expect(Object.values(overlap.summary.patterns).every((count) => count > 0)).toBe(true);
  });
});

describe("search", () => {
  it("gives the same scores whatever the strategy, within one test item of scikit-learn, sharing the work", async () => {
    const results = [];
    for (const strategy of ["base", "shift", "alsatian"]) {
      await clearFeatures();
      results.push(await search("--strategy", strategy));
    }
    const [base, shift, alsatian] = results;
    if (!base || !shift || !alsatian) throw new Error("three searches");
    const oneItem = 1.001 / base.items.test;
    for (const { model, score } of base.ranking) {
      expect(Math.abs(score - (expected.models[model]?.probeAccuracy ?? NaN)), model).toBeLessThanOrEqual(oneItem);
    }
    const scoreOf = (ranking: typeof base.ranking, model: string) => ranking.find((entry) => entry.model === model);
    for (const entry of alsatian.ranking) {
      const alone = scoreOf(shift.ranking, entry.model);
      expect(alone?.round).toBe(entry.round);
      expect(Math.abs((alone?.score ?? NaN) - entry.score)).toBeLessThanOrEqual(oneItem);
      if (entry.round === alsatian.rounds.length) {
        expect(Math.abs((scoreOf(base.ranking, entry.model)?.score ?? NaN) - entry.score)).toBeLessThanOrEqual(oneItem);
      }
    }
    const best = Object.entries(expected.models).sort(([, a], [, b]) => b.probeAccuracy - a.probeAccuracy)[0]?.[0];
    expect(results.map(({ ranking }) => ranking[0]?.model)).toEqual([best, best, best]);
    expect(base.cost.blockItems).toBe(base.cost.baseBlockItems);
    expect(shift.cost.blockItems).toBeLessThan(base.cost.blockItems);
    expect(alsatian.cost.blockItems).toBeLessThan(shift.cost.blockItems);
    expect(alsatian.rounds.map(({ models, items }) => [models, items])).toEqual([
      [16, 25],
      [8, 50],
      [4, 100],
      [2, 225],
    ]);
  });

  it("reads features instead of computing them the second time, with the same result", async () => {
    const first = await search();
    const second = await search();
    expect(second.cost.blockItems).toBe(0);
    expect(second.cost.cacheHits).toBeGreaterThan(0);
    expect(second.ranking).toEqual(first.ranking);
  });

  it("keeps to a small budget and finds the same", async () => {
    const plenty = await search();
    await clearFeatures();
    const tight = await search("--budget", "8MB");
    expect(tight.cost.peakBytes).toBeLessThanOrEqual(8e6);
    expect(tight.ranking).toEqual(plenty.ranking);
  });

  it("goes on after an interrupt where it was", async () => {
    const whole = await search();
    await clearFeatures();
    let watching: Promise<void> | undefined;
    const interrupted = await runCommand(at("search", ...FAMILY, "--json"), {
      onOutput: (said, kill) => {
        const [, run] = /run (\d+-[0-9a-f]+)/.exec(said) ?? [];
        if (run !== undefined) watching ??= firstRound(run).then(() => kill("SIGINT"));
      },
    });
    await watching;
    expect(interrupted.code).toBe(130);
    const sofar = searchSchema.parse(JSON.parse(interrupted.stdout));
    expect(sofar.rounds.length).toBeGreaterThan(0);
    expect(sofar.rounds.length).toBeLessThan(whole.rounds.length);
    expect(interrupted.stderr).toContain(`--resume ${sofar.run}`);
    const resumed = searchSchema.parse(await runJson(at("search", "--resume", sofar.run)));
    expect(resumed.run).toBe(sofar.run);
    expect(resumed.ranking).toEqual(whole.ranking);
  });
});

describe("export", () => {
  it("writes a model whose feature is PyTorch's, with the trained classifier behind it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "alsatian-export-"));
    try {
      const { run, ranking } = await search();
      await runJson(at("export", "--run", run, "--to", folder));
      const [winner] = ranking;
      const reference = expected.models[winner?.model ?? ""];
      const config = JSON.parse(
        await readFile(
          packageFile("data", "sample-hub", ...(winner?.model ?? "").split("/"), "preprocessor_config.json"),
          "utf8",
        ),
      ) as unknown;
      const { preprocessing } = parsePreprocessorConfig(config, { modelType: "detr" });
      const pixels = preprocessImage(
        await decodeImage(await readFile(packageFile(...expected.picture.split("/")))),
        preprocessing,
      );
      const plane = preprocessing.height * preprocessing.width;
      const values = Float32Array.from(pixels, (level, index) => {
        const channel = Math.floor(index / plane);
        return level * (preprocessing.scale[channel] ?? NaN) + (preprocessing.bias[channel] ?? NaN);
      });
      const session = await ort.InferenceSession.create(join(folder, "model.onnx"));
      const { feature, logits } = await session.run({
        pixel_values: new ort.Tensor("float32", values, [1, 3, preprocessing.height, preprocessing.width]),
      });
      await session.release();
      expect(logits?.dims).toEqual([1, 10]);
      const actual = feature?.data as Float32Array;
      expect(actual).toHaveLength(reference?.feature.length ?? -1);
      reference?.feature.forEach((x, index) =>
        expect(Math.abs((actual[index] ?? NaN) - x)).toBeLessThan(1e-3 + 1e-3 * Math.abs(x)),
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("a copy of the home", () => {
  it("works in another place", async () => {
    const copy = await mkdtemp(join(tmpdir(), "alsatian-moved-"));
    try {
      await cp(home, copy, { recursive: true });
      expect((await runCommand(["index", "--verify", "--home", copy])).code).toBe(0);
    } finally {
      await rm(copy, { recursive: true, force: true });
    }
  });
});
