import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import type { CandidateLink, SearchCandidate } from "../../search/build-candidate.ts";
import type { ImageDataSet } from "../../search/data/data-set.ts";
import type { SearchOptions } from "../../search/search-options.ts";
import type { SearchResult } from "../../search/search-result.ts";
import { search } from "../../search/search.ts";
import type { Fault, Faults } from "./faulty-process.ts";
import { fewPictures, storeChain, tinyCandidate } from "./make-search.ts";

// The device is the CPU under another name, so that its faults can be told; `devices.spec.ts` has real ones.
let home: string;
let candidates: SearchCandidate[];
let dataSet: ImageDataSet;
let onCpu: SearchResult;
let runs = 0;
let countFile: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "alsatian-device-"));
  const [base = [], other = []]: CandidateLink[][] = [
    await storeChain("facebook/detr-resnet-50", home),
    await storeChain("acme-vision/detr-resnet-50-meter-digits", home),
  ];
  const from = (place: number) => base.map((own, index) => (index < place ? own : (other[index] ?? own)));
  candidates = [4, 8, 12, 16].map((place) => tinyCandidate(`parts-at-${place}`, from(place)));
  candidates.push(tinyCandidate("base", base));
  dataSet = await fewPictures(home, { train: 24, test: 12 });
  onCpu = await run({ device: "cpu" }, []);
});
afterAll(() => rm(home, { recursive: true, force: true }));
beforeEach(() => {
  countFile = join(home, `processes-${runs++}`);
});

/** How long a device may be silent where it hangs; elsewhere a slow machine must not look like one that does. */
const HANG_MS = 4000;

async function run(options: Partial<SearchOptions>, faults: readonly Fault[]): Promise<SearchResult> {
  const hangMs = faults.some(({ what }) => what === "hang") ? HANG_MS : 60_000;
  await rm(join(home, "cache", "features"), { recursive: true, force: true });
  const told: Faults = { countFile: countFile ?? join(home, "processes"), isFake: true, faults };
  process.env["FAULTS"] = JSON.stringify(told);
  return search({
    ...{ home, store: openBlockStore(home), candidates, dataSet, seed: 1, strategy: "alsatian", proxy: "linear" },
    ...{ top: 1, rounds: undefined, imageSize: undefined, budgetBytes: 4e9, batchSize: 8, threads: 2 },
    ...{ device: "webgpu", deviceBudgetBytes: 1e9 },
    process: { entry: new URL("./faulty-process.js", import.meta.url), hangMs },
    ...options,
  });
}

const processes = async (): Promise<number> => (await readFile(countFile)).length;
const thens = ({ fallbacks }: SearchResult): string[] => fallbacks.map(({ then }) => then);

describe("a search on a device", () => {
  it("gives the CPU's ranking, and states what it took of both memories", async () => {
    const result = await run({}, []);
    expect(result.ranking).toEqual(onCpu.ranking);
    expect(result.fallbacks).toEqual([]);
    expect(result.cost.devicePeakBytes).toBeGreaterThan(0);
    expect(result.cost.devicePeakBytes).toBeLessThanOrEqual(1e9);
    expect(onCpu.cost.devicePeakBytes).toBe(0);
  });

  it("gives the same within any budget of the device that works", async () => {
    const whole = await run({}, []);
    for (const share of [0.7, 0.4]) {
      const deviceBudgetBytes = Math.ceil(whole.cost.devicePeakBytes * share);
      const result = await run({ deviceBudgetBytes }, []);
      expect(result.ranking).toEqual(onCpu.ranking);
      expect(result.cost.devicePeakBytes).toBeLessThanOrEqual(deviceBudgetBytes);
    }
  });

  it.each(["abort", "exit", "hang", "error"] as const)(
    "repeats in a fresh process what failed once, in smaller batches (%s)",
    async (what) => {
      for (const on of ["create", "run"] as const) {
        const result = await run({}, [{ what, on, call: 2, before: 1 }]);
        expect(result.ranking).toEqual(onCpu.ranking);
        expect(thens(result)).toEqual(["again, in batches of 4"]);
        expect(result.fallbacks[0]).toMatchObject({ round: 1, device: "webgpu" });
        expect(result.fallbacks[0]?.blocks.length).toBeGreaterThan(0);
        expect(await processes()).toBe(2);
        await rm(countFile);
      }
    },
  );

  it("says why, in the words of the process or its signal", async () => {
    const aborted = await run({}, [{ what: "abort", on: "run", call: 0, before: 1 }]);
    expect(aborted.fallbacks[0]?.reason).toMatch(/ended by SIGABRT/);
    await rm(countFile);
    const hung = await run({}, [{ what: "hang", on: "run", call: 0, before: 1 }]);
    expect(hung.fallbacks[0]?.reason).toBe(`the device did not answer for ${HANG_MS / 1000} s`);
    await rm(countFile);
    const thrown = await run({}, [{ what: "error", on: "run", call: 0, before: 1 }]);
    expect(thrown.fallbacks[0]?.reason).toBe("Out of memory");
  });

  it("halves batches only where large ones are the trouble, and keeps to the size that works", async () => {
    const result = await run({}, [{ what: "error", on: "run", moreThan: 4 }]);
    expect(result.ranking).toEqual(onCpu.ranking);
    expect(thens(result)).toEqual(["again, in batches of 4"]);
  });

  it("runs on the CPU the blocks that the device fails at again and again, and no others", async () => {
    const channels = 128; // of the last stage
    const result = await run({}, [{ what: "abort", on: "run", channels }]);
    expect(result.ranking).toEqual(onCpu.ranking);
    expect(thens(result).slice(0, 2)).toEqual(["again, in batches of 4", "these blocks on the cpu"]);
    expect(result.cost.devicePeakBytes).toBeGreaterThan(0);
  });

  it("does not try in smaller batches what the device has no operator for", async () => {
    const result = await run({}, [{ what: "unsupported", on: "create", channels: 128 }]);
    expect(result.ranking).toEqual(onCpu.ranking);
    expect(new Set(thens(result))).toEqual(new Set(["these blocks on the cpu"]));
  });

  it("does without a device where nothing works", async () => {
    const result = await run({}, [{ what: "abort", on: "create" }]);
    expect(result.ranking).toEqual(onCpu.ranking);
    expect(result.fallbacks.length).toBeGreaterThan(0);
  });

  it("judges by what was written, not by how the process ends", async () => {
    const result = await run({}, [{ what: "abort at exit", on: "create", call: 0 }]);
    expect(result.ranking).toEqual(onCpu.ranking);
    expect(result.fallbacks).toEqual([]);
  });

  it("ends when the user interrupts while the device hangs", async () => {
    const stop = new AbortController();
    const onEvent = (event: { readonly kind: string }): void => {
      if (event.kind === "step") stop.abort(new Error("the user has interrupted"));
    };
    await expect(run({ signal: stop.signal, onEvent }, [{ what: "hang", on: "run", call: 1 }])).rejects.toThrow(
      "interrupted",
    );
  });
});
