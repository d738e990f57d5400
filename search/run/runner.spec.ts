import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { inspectModel } from "../../crawler/inspect-model.ts";
import { openLocalRepository } from "../../crawler/local-repository.ts";
import { inferGraph } from "../../crawler/export/infer-graph.ts";
import { elementCount, type TensorInfo } from "../../crawler/export/graph.ts";
import type { Precision } from "../../crawler/export/precision.ts";
import { packageFile } from "../../crawler/package-file.ts";
import { graphHash, nextPrefixId } from "../../indexer/hash-block.ts";
import { storeBackbone } from "../../indexer/store-backbone.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import type { Candidate, ChainBlock } from "../plan/candidate.ts";
import { planRound } from "../plan/plan-round.ts";
import { DryRunner } from "./dry-runner.ts";
import { execute } from "./execute.ts";
import { openFeatureStore } from "./feature-store.ts";
import { LaneRunner } from "./lane-runner.ts";
import { Lanes } from "./lanes.ts";
import { OrtRunner } from "./ort-runner.ts";
import { rangeKeyOf } from "./range-key.ts";
import type { Runner } from "./runner.ts";
import { describeRunner, type RunnerFixture } from "./runner.case.ts";

const SIZE = 32;
const BATCH = 5;
const TRAIN = 12;
const TEST = 8;
const DIMS = [3, SIZE, SIZE];
const MODELS = [
  "harbor-labs/detr-resnet-50-meter-digits-v2",
  "acme-vision/detr-resnet-50-meter-digits",
  "facebook/detr-resnet-50",
];

let home: string;
let candidates: Candidate[];
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "alsatian-runner-"));
  candidates = [];
  for (const id of MODELS) candidates.push(await storeCandidate(id));
  const pixels = Uint8Array.from({ length: (TRAIN + TEST) * elementCount(DIMS) }, (_, index) => (index * 7919) % 251);
  await mkdir(home, { recursive: true });
  await writeFile(join(home, "inputs.u8"), pixels);
});
afterAll(() => rm(home, { recursive: true, force: true }));

async function storeCandidate(modelId: string): Promise<Candidate> {
  const repository = await openLocalRepository(packageFile("data", "sample-hub", ...modelId.split("/")));
  const { export: plan } = await inspectModel(repository);
  if (plan instanceof Error) throw plan;
  const { checkpoint, backbone } = plan;
  const store = openBlockStore(home);
  const stored = await storeBackbone({ repository, checkpoint, backbone, store, tensors: "backbone" });
  let info: TensorInfo = { dims: DIMS };
  let prefixId = "root";
  const links = [
    ...stored.blocks.map((block, index) => ({ ...block, graph: backbone.blocks[index]?.graph ?? backbone.head })),
    { name: "feature", blockId: null, graphHash: graphHash(backbone.head), bytes: 0, graph: backbone.head },
  ];
  const blocks = links.map(({ name, blockId, graphHash: hash, bytes, graph }): ChainBlock => {
    const { output, flopsPerItem } = inferGraph(graph, [info]);
    info = output;
    prefixId = nextPrefixId(prefixId, blockId ?? hash);
    const outputBytes = { perItem: 4 * elementCount(output.dims), perToken: 0 };
    return {
      name,
      prefixId,
      blockId,
      graphHash: hash,
      weightBytes: bytes,
      flopsPerItem,
      output,
      outputBytes,
      operators: [],
    };
  });
  return {
    modelId,
    revision: "0".repeat(40),
    root: { key: "root", info: { dims: DIMS }, bytes: { perItem: elementCount(DIMS), perToken: 0 }, isKept: false },
    blocks,
  };
}

const train = [{ begin: 0, end: TRAIN }];
const test = { begin: TRAIN, end: TRAIN + TEST };
const planOf = (
  options: {
    readonly share: boolean;
    readonly budgetBytes: number;
    readonly lanes?: number;
    readonly loadAhead?: number;
  },
  batchSize = BATCH,
) =>
  planRound({
    extractions: [...train, test].map((items) => ({ items, candidates })),
    scored: candidates,
    train,
    test,
    batchSize,
    ...options,
  });

const itemHashes = Array.from({ length: TRAIN + TEST }, (_, index) => `item ${index}`);
const rangeKey = rangeKeyOf(itemHashes);
const opened: Lanes[] = [];
afterEach(async () => {
  for (const lanes of opened.splice(0)) await lanes.close();
});

let caches = 0;
function realRunner(
  Kind: typeof OrtRunner | typeof LaneRunner,
  precision: Precision = "fp32",
  isInterrupted: () => boolean = () => false,
): Runner {
  const inputs = {
    kind: "pictures" as const,
    path: join(home, "inputs.u8"),
    unfinishedPath: join(home, "inputs.u8"),
    dims: DIMS,
    scale: [1 / 255, 1 / 255, 1 / 255],
    bias: [-0.5, -0.5, -0.5],
  };
  const cache = join(home, `cache${caches++}`);
  const features = openFeatureStore(cache, rangeKey, precision);
  const labels = Int32Array.from({ length: TRAIN + TEST }, (_, index) => index % 2);
  const lanes = new Lanes(2);
  lanes.setUp({ home: cache, proxy: "linear", classes: 2, labels, itemHashes, precision });
  opened.push(lanes);
  return new Kind({
    home,
    store: openBlockStore(home),
    features,
    roots: new Map([["root", inputs]]),
    lanes,
    rows: Int32Array.from({ length: TRAIN + TEST }, (_, index) => TRAIN + TEST - 1 - index),
    threads: 1,
    device: "cpu",
    precision,
    budgetBytes: 1e9,
    spillFolder: join(home, "spill"),
    isInterrupted,
  });
}

describe("DryRunner", () => {
  describeRunner((options) => Promise.resolve<RunnerFixture>({ runner: new DryRunner(), plan: planOf(options) }));
});

describe.each([
  { Kind: OrtRunner, lanes: 1 },
  { Kind: LaneRunner, lanes: 2 },
])("$Kind.name", ({ Kind, lanes }) => {
  describeRunner((options) =>
    Promise.resolve<RunnerFixture>({ runner: realRunner(Kind), plan: planOf({ ...options, lanes }) }),
  );

  const features = async (options: Parameters<typeof planOf>[0], batchSize: number, precision: Precision = "fp32") => {
    const runner = realRunner(Kind, precision);
    const kept = openFeatureStore(join(home, `cache${caches - 1}`), rangeKey, precision);
    try {
      await execute(planOf({ ...options, lanes }, batchSize), runner);
      const rows = [];
      for (const { blocks } of candidates) rows.push([...kept.read(blocks.at(-1)?.prefixId ?? "", test)]);
      return rows.flat();
    } finally {
      await runner.close();
    }
  };

  it("gives the same features whether blocks are shared or not, whatever the batch, budget and what is loaded ahead", async () => {
    const alone = await features({ share: false, budgetBytes: 1e9 }, 8);
    for (const [options, batchSize] of [
      [{ share: true, budgetBytes: 1e9 }, 3],
      [{ share: true, budgetBytes: 400_000 }, 8],
      [{ share: true, budgetBytes: 1e9, loadAhead: 3 }, 4],
    ] as const) {
      const shared = await features(options, batchSize);
      expect(shared).toHaveLength(alone.length);
      shared.forEach((x, index) => expect(Math.abs(x - (alone[index] ?? NaN))).toBeLessThan(1e-4));
    }
  });

  it("tells why a segment was not loaded beside others when it is to run, and frees what was", async () => {
    const runner = realRunner(Kind);
    const plan = planOf({ share: true, budgetBytes: 1e9, lanes, loadAhead: 1 });
    const lost = plan.steps.find((step) => step.kind === "load" && step.beside);
    if (lost?.kind !== "load") throw new Error("the plan loads nothing ahead");
    const broken = plan.segments[lost.segment]?.blocks.map((block) => ({ ...block, blockId: "f".repeat(64) }));
    const segments = Object.entries(plan.segments).map(([id, segment]) =>
      id === lost.segment ? [id, { ...segment, blocks: broken }] : [id, segment],
    );
    const done: number[] = [];
    const running = execute({ ...plan, segments: Object.fromEntries(segments) as typeof plan.segments }, runner, {
      onStep: (count) => done.push(count),
    });
    await expect(running).rejects.toThrow(/f{64}/);
    const next = plan.steps.findIndex((step) => step.kind === "run" && step.segment === lost.segment);
    // one that overlaps steps has begun those that do not wait for it
    if (Kind === OrtRunner) expect(done.at(-1)).toBe(next);
    else expect(done.length).toBeLessThan(plan.steps.length);
    await runner.close();
    expect(runner.account.live).toEqual({ host: 0, device: 0 });
  });

  it.each([0, 1, 4, 9])("stops behind %i batches when interrupted, and frees what it holds", async (batches) => {
    let left = batches;
    const runner = realRunner(Kind, "fp32", () => left-- <= 0);
    const plan = planOf({ share: true, budgetBytes: 1e9, lanes, loadAhead: lanes }, 4);
    await expect(execute(plan, runner)).rejects.toThrow("interrupted");
    await runner.close();
    expect(runner.account.live).toEqual({ host: 0, device: 0 });
  });

  if (Kind === LaneRunner) {
    it("makes again what was laid out and is cut short", async () => {
      const laidOut = ["graphs", "weights"].map((name) => join(home, "cache", name));
      const files = async () =>
        (await Promise.all(laidOut.map((folder) => readdir(folder, { recursive: true }).catch(() => []))))
          .flatMap((names, index) => names.map((name) => join(laidOut[index] ?? "", name)))
          .filter((path) => path.endsWith(".bin"));
      const before = await features({ share: true, budgetBytes: 1e9 }, 8);
      expect((await files()).length).toBeGreaterThan(0);
      for (const path of await files()) await truncate(path, 10);
      expect(await features({ share: true, budgetBytes: 1e9 }, 8)).toEqual(before);
    });
  }

  it("gives other features in float16, which are near", async () => {
    const options = { share: true, budgetBytes: 1e9 };
    const [exact, half] = [await features(options, 8), await features(options, 8, "fp16")];
    expect(half).toHaveLength(exact.length);
    expect(half).not.toEqual(exact);
    const off = Math.hypot(...half.map((x, index) => x - (exact[index] ?? NaN)));
    expect(off / Math.hypot(...exact)).toBeLessThan(0.02);
  });
});
