import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { elementCount, type BlockGraph } from "../../crawler/export/graph.ts";
import { openBlockStore, type BlockStore } from "../../indexer/store/block-store.ts";
import type { Segment } from "../plan/step.ts";
import { LaneGraphs, type LaneGraphOptions } from "./lane-graphs.ts";
import { Lanes } from "./lanes.ts";
import type { RootInputs } from "./root-inputs.ts";

const DIMS = [32, 12, 12];

/** A convolution whose weights want to be laid out. */
const graph: BlockGraph = {
  inputs: ["x"],
  slots: [[32, 32, 3, 3], [32]],
  nodes: [
    {
      operator: "conv",
      inputs: [0],
      slots: [0, 1],
      attributes: { stride: 1, padding: 1, dilation: 1, groups: 1 },
    },
    { operator: "relu", inputs: [1], slots: [], attributes: {} },
  ],
  output: 2,
};

const root: RootInputs = {
  kind: "pictures",
  path: "",
  unfinishedPath: "",
  dims: DIMS,
  scale: [],
  bias: [],
};

let home: string;
let store: BlockStore;
let segments: Segment[];
let lanes: Lanes;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "lane-graphs-"));
  store = openBlockStore(home);
  segments = [await segmentOf("first", 1), await segmentOf("second", 2)];
  lanes = new Lanes(1);
});
afterAll(async () => {
  await lanes.close();
  await rm(home, { recursive: true, force: true });
});

async function segmentOf(id: string, seed: number): Promise<Segment> {
  const draft = await store.draft(graph);
  for (const [slot, shape] of graph.slots.entries()) {
    const values = Float32Array.from({ length: elementCount(shape) }, (_, at) => Math.sin(seed * at + slot) / 20);
    await draft.write(slot, 0, new Uint8Array(values.buffer));
  }
  const { blockId, graphHash, bytes } = await draft.commit("conv", { dims: DIMS });
  const info = { dims: DIMS };
  const block = {
    ...{ name: "conv", prefixId: id, blockId, graphHash, weightBytes: bytes, flopsPerItem: 1, output: info },
    ...{ outputBytes: { perItem: 4 * elementCount(DIMS), perToken: 0 }, operators: ["conv", "relu"] },
  };
  return {
    ...{ id, blocks: [block], root: "root", isFirst: false, input: info, output: info, weightBytes: bytes },
    ...{ on: "host", stays: false },
  };
}

/** Items that only lanes can make of others. */
async function run(segment: Segment, graphs: LaneGraphs): Promise<number[]> {
  const { source } = await graphs.open(segment);
  const dims = [2, ...DIMS];
  const tensor = (values: Float32Array) => ({ buffer: values.buffer as ArrayBuffer, type: "float32" as const, dims });
  const x = Float32Array.from({ length: elementCount(dims) }, (_, at) => Math.cos(at));
  const batch = { feeds: { x: tensor(x) }, into: tensor(new Float32Array(elementCount(dims))) };
  const { batches } = await lanes.run(() => ({ session: segment.id, source, batches: [batch] }));
  await lanes.closeSession(segment.id);
  return Array.from(new Float32Array(batches[0]?.into.buffer ?? new ArrayBuffer(0)));
}

describe("LaneGraphs", () => {
  let options: LaneGraphOptions;
  beforeAll(() => {
    options = { home, store, lanes, roots: new Map([["root", root]]), precision: "fp32" };
  });
  const open = (likelyChannels?: number | null) =>
    new LaneGraphs({ ...options, ...(likelyChannels !== undefined && { likelyChannels }) });
  const folder = () => join(home, "cache", "weights");
  const laidOut = async () => (await readdir(folder()).catch(() => [])).filter((name) => name.endsWith(".bin"));

  it.each([8, 16, null])(
    "lays weights out as the machine wants them, whatever it is taken for (%j)",
    async (likely) => {
      const channels = await lanes.blockedChannels();
      await rm(folder(), { recursive: true, force: true });
      const [first] = segments;
      if (!first) throw new Error("no segment");
      const expected = await run(first, open());
      const files = await laidOut();
      expect(files.map((name) => name.split("-").at(-1))).toEqual(channels === null ? [] : [`${channels}.bin`]);
      const bytes = await Promise.all(files.map((name) => readFile(join(folder(), name))));
      await rm(folder(), { recursive: true, force: true });
      expect(await run(first, open(likely))).toEqual(expected);
      expect(await laidOut()).toEqual(files);
      expect(await Promise.all(files.map((name) => readFile(join(folder(), name))))).toEqual(bytes);
    },
  );

  it("takes back what it made for a layout that the machine has not", async () => {
    const without: LaneGraphOptions["lanes"] = {
      blockedChannels: () => Promise.resolve(null),
      layOut: (block) => lanes.layOut(block),
      optimize: (source, to) => lanes.optimize(source, to),
    };
    await rm(folder(), { recursive: true, force: true });
    const graphs = new LaneGraphs({ ...options, lanes: without, likelyChannels: 16 });
    for (const segment of segments) {
      const made = await run(segment, graphs);
      expect(await laidOut()).toEqual([]);
      const expected = await run(segment, open());
      expect(made).toHaveLength(expected.length);
      made.forEach((value, at) => expect(value).toBeCloseTo(expected[at] ?? NaN, 5));
      await rm(folder(), { recursive: true, force: true });
    }
  });

  it("writes segments of one graph with the weights of each", async () => {
    const graphs = open();
    const together = [];
    for (const segment of segments) together.push(await run(segment, graphs));
    const alone = [];
    for (const segment of segments) alone.push(await run(segment, open()));
    expect(together).toEqual(alone);
    expect(together[0]).not.toEqual(together[1]);
  });
});
