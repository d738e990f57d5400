import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import type { SearchCandidate } from "../../search/build-candidate.ts";
import type { ImageDataSet } from "../../search/data/data-set.ts";
import { keepsResults } from "../../search/device/device.ts";
import { probeDevice } from "../../search/device/probe-device.ts";
import { measurePictures } from "../../search/plan/extent.ts";
import { planFirstRound } from "../../search/plan-search.ts";
import type { SearchOptions } from "../../search/search-options.ts";
import type { SearchResult } from "../../search/search-result.ts";
import { search } from "../../search/search.ts";
import { fewPictures, storeChain, tinyCandidate } from "./make-search.ts";

// A driver is named by VK_DRIVER_FILES: SwiftShader's, where there is no GPU (docs/devices.md).
const CHECKSUM_BYTES = 4;
const hasDriver = process.env["VK_DRIVER_FILES"] !== undefined;
if (!hasDriver)
  console.warn("skipped: no VK_DRIVER_FILES, so no adapter for WebGPU (scripts/get-swiftshader.sh gets one)");
const cuda = await probeDevice("cuda", { measure: false });
if (!cuda.works) console.warn(`skipped: no CUDA: ${cuda.reason ?? ""} (docs/devices.md says what it needs)`);

describe.each([
  ["webgpu", hasDriver],
  ["cuda", cuda.works],
] as const)("a search on %s", (device, isThere) => {
  if (!isThere) return void it.skip("is skipped: there is no such device");
  let home: string;
  let candidates: SearchCandidate[];
  let dataSet: ImageDataSet;
  let onCpu: SearchResult;
  let expected: ReadonlyMap<string, Float32Array>;
  let whole: SearchResult;
  let featuresOfWhole: ReadonlyMap<string, Float32Array>;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), `alsatian-${device}-`));
    const base = await storeChain("facebook/detr-resnet-50", home);
    const other = await storeChain("acme-vision/detr-resnet-50-meter-digits", home);
    candidates = [12, 16].map((place) =>
      tinyCandidate(
        `parts-at-${place}`,
        base.map((own, index) => (index < place ? own : (other[index] ?? own))),
      ),
    );
    candidates.push(tinyCandidate("base", base));
    dataSet = await fewPictures(home, { train: 12, test: 10 });
    onCpu = await run({ device: "cpu" });
    expected = await features();
    whole = await run({});
    featuresOfWhole = await features();
  });
  afterAll(() => rm(home, { recursive: true, force: true }));

  const optionsOf = (changes: Partial<SearchOptions>): SearchOptions => ({
    ...{ home, store: openBlockStore(home), candidates, dataSet, seed: 1, strategy: "alsatian", proxy: "linear" },
    ...{ top: 1, rounds: undefined, imageSize: undefined, budgetBytes: 4e9, batchSize: 4, threads: 2 },
    ...{ device, deviceBudgetBytes: 1e9 },
    ...changes,
  });

  async function run(changes: Partial<SearchOptions>): Promise<SearchResult> {
    await rm(join(home, "cache", "features"), { recursive: true, force: true });
    return search(optionsOf(changes));
  }

  /** A budget of the device with which the plan takes a result that graphs read to the machine's memory. */
  function budgetThatMoves(from: number): number {
    for (let budget = from; budget > 0; budget = Math.floor(0.95 * budget)) {
      const measure = measurePictures({ size: 4, isFixed: true });
      const { steps } = planFirstRound(optionsOf({ deviceBudgetBytes: budget }), measure).plan;
      const kept = new Set(steps.flatMap((step) => (step.kind === "keep" ? [step.from] : [])));
      if (steps.some((step) => step.kind === "run" && step.place !== "device" && !kept.has(step.to))) return budget;
    }
    throw new Error("no budget moves a result");
  }

  /** Features that a search has kept, by the names of their files: these say of what, not where they were computed. */
  async function features(): Promise<ReadonlyMap<string, Float32Array>> {
    const folder = join(home, "cache", "features");
    const kept = new Map<string, Float32Array>();
    for (const path of await readdir(folder, { recursive: true })) {
      if (!path.endsWith(".f32")) continue;
      const bytes = await readFile(join(folder, path));
      kept.set(basename(path), new Float32Array(Uint8Array.from(bytes.subarray(0, -CHECKSUM_BYTES)).buffer));
    }
    return kept;
  }

  function expectSameFeatures(kept: ReadonlyMap<string, Float32Array>): void {
    expect([...kept.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [name, values] of kept) {
      const others = expected.get(name) ?? new Float32Array(0);
      const largest = others.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expect(values.length).toBe(others.length);
      const error = values.reduce((most, value, index) => Math.max(most, Math.abs(value - (others[index] ?? NaN))), 0);
      expect(error / largest).toBeLessThan(1e-4);
    }
  }

  it("gives the CPU's features and ranking", () => {
    expect(whole.fallbacks).toEqual([]);
    expect(whole.ranking).toEqual(onCpu.ranking);
    expectSameFeatures(featuresOfWhole);
  });

  it.skipIf(!keepsResults(device))("gives the same where results are moved to the machine's memory", async () => {
    const deviceBudgetBytes = budgetThatMoves(whole.cost.devicePeakBytes);
    const small = await run({ deviceBudgetBytes });
    expect(small.fallbacks).toEqual([]);
    expect(small.cost.devicePeakBytes).toBeLessThanOrEqual(deviceBudgetBytes);
    expectSameFeatures(await features());
  });
});
