import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { startLocalHub, type LocalHub } from "../../crawler/local-hub/start-local-hub.ts";
import { packageFile } from "../../crawler/package-file.ts";
import { runCommand, runJson } from "./run-command.ts";

/** Candidates of many architectures in one search: pictures and texts, different preprocessing and feature widths. */
const FIXTURES = packageFile("test", "golden", "fixtures", "hub");
const TEXT = ["bert-odd-sizes", "distilbert-odd-sizes", "xlm-roberta-odd-sizes"].map((name) => `acme-odd/${name}`);

let home: string;
let hub: LocalHub;
let models: string[];
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "alsatian-many-"));
  hub = await startLocalHub({ root: FIXTURES });
  models = [];
  for (const org of await readdir(FIXTURES)) {
    for (const name of await readdir(join(FIXTURES, org))) models.push(`${org}/${name}`);
  }
  await writeFile(join(home, "models.txt"), `# all of them\n${models.join("\n")}\n`);
  const args = ["crawl", "--models", join(home, "models.txt"), "--include-pickle", "--hub", hub.url, "--home", home];
  const { code, stdout, stderr } = await runCommand(args);
  expect(code, stdout + stderr).toBe(0);
});
afterAll(async () => {
  await hub.close();
  await rm(home, { recursive: true, force: true });
});

const resultSchema = z.object({
  models: z.number(),
  ranking: z.array(z.object({ model: z.string(), score: z.number(), round: z.number() })),
  failed: z.array(z.object({ model: z.string(), reason: z.string() })),
  cost: z.object({ blockItems: z.number(), peakBytes: z.number() }),
});

async function searchBy(strategy: string, ...args: string[]) {
  await rm(join(home, "cache", "features"), { recursive: true, force: true });
  const all = ["search", "--where", "status = 'indexed'", "--strategy", strategy, "--home", home, ...args];
  return resultSchema.parse(await runJson(all, [0, 3])); // 3: those of the other kind cannot take part
}

async function expectEqualStrategies(data: string, testItems: number) {
  const [alsatian, shift, base] = [
    await searchBy("alsatian", "--data", data),
    await searchBy("shift", "--data", data),
    await searchBy("base", "--data", data),
  ];
  const oneItem = 1.001 / testItems;
  for (const { model, score, round } of alsatian.ranking) {
    const alone = shift.ranking.find((entry) => entry.model === model);
    expect(alone?.round, model).toBe(round);
    expect(Math.abs((alone?.score ?? NaN) - score), model).toBeLessThanOrEqual(oneItem);
  }
  return { alsatian, shift, base };
}

describe("a search over many architectures", () => {
  it("ranks picture models of all kinds, alike in all strategies", async () => {
    const data = join(home, "pictures");
    for (const part of ["train", "test"]) {
      for (const label of ["0", "1", "7"]) {
        const shelf = packageFile("data", "sample-images", part, label);
        for (const name of (await readdir(shelf)).slice(0, part === "train" ? 6 : 4)) {
          await cp(join(shelf, name), join(data, part, label, name));
        }
      }
    }
    const { alsatian: result, shift, base } = await expectEqualStrategies(data, 12);
    expect(result.cost.blockItems).toBeLessThan(shift.cost.blockItems);
    expect(shift.cost.blockItems).toBeLessThan(base.cost.blockItems);
    expect(result.ranking.map(({ model }) => model).sort()).toEqual(models.filter((id) => !TEXT.includes(id)).sort());
    expect(result.failed.map(({ model }) => model).sort()).toEqual([...TEXT].sort());
    expect(result.failed[0]?.reason).toBe("it takes texts, the data set holds pictures");
  });

  it("ranks text models, alike in all strategies, within a small budget too", async () => {
    const words = { good: ["fine", "great", "lovely"], bad: ["awful", "dull", "sad"] };
    const rows = Array.from({ length: 60 }, (_, index) => {
      const label = index % 2 === 0 ? "good" : "bad";
      const text = Array.from({ length: 1 + (index % 7) }, (_unused, at) => words[label][(index + at) % 3]).join(
        " the ",
      );
      return `"${text}",${label}`;
    });
    const data = join(home, "texts.csv");
    await writeFile(data, ["text,label", ...rows].join("\n"));
    const { alsatian: result } = await expectEqualStrategies(data, 12);
    expect(result.ranking.map(({ model }) => model).sort()).toEqual([...TEXT].sort());
    const tight = await searchBy("alsatian", "--data", data, "--budget", String(Math.ceil(result.cost.peakBytes / 2)));
    expect(tight.ranking).toEqual(result.ranking);
    expect(tight.cost.peakBytes).toBeLessThanOrEqual(Math.ceil(result.cost.peakBytes / 2));
  });

  it("exports each of them", async () => {
    for (const model of ["acme-odd/swin-odd-sizes", "acme-odd/xlm-roberta-odd-sizes"]) {
      const to = join(home, "exported", model);
      const { code, stderr } = await runCommand(["export", model, "--to", to, "--blocks", "--home", home]);
      expect(code, stderr).toBe(0);
      expect(await readdir(to)).toEqual(["blocks", "model.onnx", "model.onnx.data"]);
    }
  });
});
