import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layoutWeights } from "../../crawler/export/weight-layout.ts";
import type { BlockGraph } from "../../crawler/export/graph.ts";
import { sampleModel } from "../../test/catalog/sample-models.ts";
import { makeHome } from "../../test/catalog/make-home.ts";
import { openCatalogReader, type CatalogReader } from "../catalog/catalog-reader.ts";
import { openCatalogWriter } from "../catalog/catalog-writer.ts";
import type { BlockRecord, TensorRecord } from "../catalog/records.ts";
import { blockId, startTensorHash, weightsHash } from "../hash-block.ts";
import { openBlockStore, type BlockStore } from "../store/block-store.ts";
import { writeDurably } from "../store/durable-file.ts";
import { compareModels } from "./compare-models.ts";
import { scanModel } from "./scan-model.ts";

/** Larger than the pieces in which values are read. */
const LONG = 700_000;
const GRAPH: BlockGraph = { inputs: ["x"], slots: [[LONG], [2, 3], [4]], nodes: [], output: 0 };
const OTHER: BlockGraph = { inputs: ["x"], slots: [[2, 3], [7]], nodes: [], output: 0 };

let store: BlockStore;
let reader: CatalogReader;

/** Puts a block of these values (one list a slot; shorter lists are repeated) into the store. */
async function storeBlock(
  graph: BlockGraph,
  position: number,
  fill: readonly (readonly number[])[],
): Promise<BlockRecord> {
  const graphHash = await store.writeGraph(graph);
  const layout = layoutWeights(graph);
  const bytes = new Uint8Array(layout.bytes);
  const slots = layout.slots.map(({ offset, length }, slot) => {
    const list = fill[slot] ?? [];
    const values = Float32Array.from({ length: length / 4 }, (_, index) => list[index % list.length] ?? 0);
    bytes.set(new Uint8Array(values.buffer), offset);
    const hash = startTensorHash(graph.slots[slot] ?? [])
      .update(new Uint8Array(values.buffer))
      .digest("hex");
    return { hash, role: "weight" } as const;
  });
  const weights = weightsHash(slots.map(({ hash }) => hash));
  const id = blockId(graphHash, weights);
  await writeDurably(store.weightsPath(id), bytes);
  return {
    ...{ position, name: `unit${position}`, blockId: id, prefixId: id, graphHash, weightsHash: weights },
    ...{ bytes: layout.bytes, parameters: 1, flopsPerItem: 1, outputShape: [1], slots },
  };
}

const tensor = (name: string, shape: readonly number[], facts: Partial<TensorRecord> = {}): TensorRecord => ({
  ...{ name, dtype: "F32", shape, bytes: 4, hash: null, block: null, role: null, slots: null },
  ...{ evidence: null, place: null },
  ...facts,
});

const inBlock = (block: BlockRecord, name: string, shape: readonly number[], ...slots: number[]): TensorRecord =>
  tensor(name, shape, {
    block: block.name,
    slots,
    role: "weight",
    hash: slots.map((slot) => block.slots[slot]?.hash).join(),
  });

beforeAll(async () => {
  const home = await makeHome();
  store = openBlockStore(home);
  const writer = await openCatalogWriter(home);
  const put = (id: string, blocks: readonly BlockRecord[], tensors: readonly TensorRecord[]) =>
    writer.putModel({ ...sampleModel(id, []), blocks, tensors });
  const shared = await storeBlock(GRAPH, 0, [[1], [2], [3]]);
  const mine = await storeBlock(GRAPH, 1, [[1, 2], [5], [7]]);
  const theirs = await storeBlock(GRAPH, 1, [[1, 2.5], [5], [7, 8, 7, Number.NaN]]);
  const other = await storeBlock(OTHER, 1, [[6], [1]]);
  const parts = (block: BlockRecord, names: readonly string[]) => [
    ...[[LONG], [2, 3], [4]].map((shape, slot) => inBlock(block, names[slot] ?? "", shape, slot)),
  ];
  await put(
    "org/a",
    [shared, mine],
    [
      ...parts(shared, ["a.x", "a.y", "a.z"]),
      ...[...parts(mine, ["b.x", "b.y", "b.z"])].reverse(),
      tensor("head.weight", [3], { hash: "h1" }),
      tensor("head.bias", [3]),
      tensor("head.grown", [3], { hash: "h2" }),
      tensor("only.a", [1]),
    ],
  );
  await put(
    "org/b",
    [shared, theirs],
    [
      ...parts(shared, ["other.x", "other.y", "other.z"]),
      ...parts(theirs, ["b.x", "b.y", "b.z"]),
      tensor("head.weight", [3], { hash: "h1" }),
      tensor("head.bias", [3]),
      tensor("head.grown", [5], { hash: "h3" }),
      tensor("only.b", [1]),
    ],
  );
  await put(
    "org/fused",
    [shared, theirs],
    [inBlock(shared, "fused", [LONG + 6], 0, 1), ...parts(theirs, ["p", "q", "r"])],
  );
  await put("org/c", [shared, other], [inBlock(other, "b.y", [2, 3], 0), inBlock(other, "b.x", [7], 1)]);
  await writer.publish();
  await writer.close();
  reader = await openCatalogReader(home);
});
afterAll(() => reader.close());

describe("compareModels", () => {
  it("compares block by block and tensor by tensor, in checkpoint order", async () => {
    const { blocks, tensors } = await compareModels(reader, store, "org/a", "org/b");
    expect(blocks).toMatchObject([
      { position: 0, name: "unit0", shared: true, sameGraph: true },
      { position: 1, name: "unit1", shared: false, sameGraph: true },
    ]);
    const words = tensors.map(({ name, otherNames, same, maxAbsDiff, meanAbsDiff, note }) => [
      ...[name, otherNames.join(), same, maxAbsDiff, meanAbsDiff, note],
    ]);
    expect(words).toEqual([
      ["a.x", "other.x", true, 0, 0, null],
      ["a.y", "other.y", true, 0, 0, null],
      ["a.z", "other.z", true, 0, 0, null],
      ["b.z", "", false, 1, 1 / 3, "1 without a difference: not finite numbers"],
      ["b.y", "", true, 0, 0, null],
      ["b.x", "", false, 0.5, 0.25, null],
      ["head.weight", "", true, 0, 0, null],
      ["head.bias", "", null, null, null, expect.stringContaining("crawl --tensors all")],
      ["head.grown", "", false, null, null, "its shape is [5] in the other model"],
      ["only.a", "", false, null, null, "only in a"],
      ["only.b", "", false, null, null, "only in b"],
    ]);
  });

  it("finds what became of a tensor that another spelling fuses", async () => {
    const { tensors } = await compareModels(reader, store, "org/fused", "org/a");
    expect(tensors[0]).toMatchObject({ name: "fused", otherNames: ["a.x", "a.y"], same: true, in: "both" });
    const back = await compareModels(reader, store, "org/a", "org/fused");
    expect(back.tensors.slice(0, 3)).toMatchObject([
      { name: "a.x", otherNames: ["fused"], same: true },
      { name: "a.y", otherNames: ["fused"], same: true },
      { name: "a.z", same: false, in: "a" },
    ]);
  });

  it("compares by name where the graphs differ", async () => {
    const { blocks, tensors } = await compareModels(reader, store, "org/a", "org/c");
    expect(blocks[1]).toMatchObject({ shared: false, sameGraph: false });
    expect(tensors.find(({ name }) => name === "b.y")).toMatchObject({ same: false, maxAbsDiff: 1, meanAbsDiff: 1 });
    expect(tensors.find(({ name }) => name === "b.x")).toMatchObject({ same: false, maxAbsDiff: null, note: /\[7\]/ });
  });

  it("says which model is not indexed", async () => {
    await expect(compareModels(reader, store, "org/a", "org/none")).rejects.toThrow(/org\/none is not in the catalog/);
  });
});

describe("scanModel", () => {
  it("ranks relatives by blocks, bytes and tensors", async () => {
    const entry = await reader.readModel("org/b");
    if (!entry) throw new Error("org/b is missing");
    const relatives = await scanModel(reader, { modelId: "org/b", blocks: entry.blocks, tensors: entry.tensors });
    expect(
      relatives.map(({ model, sharedBlocks, sharedPrefix, sharedTensors }) => [
        ...[model, sharedBlocks, sharedPrefix, sharedTensors],
      ]),
    ).toEqual([
      ["org/fused", 2, 2, 3],
      ["org/a", 1, 1, 5],
      ["org/c", 1, 1, 0],
    ]);
    expect(await scanModel(reader, { blocks: entry.blocks, tensors: [] }, { top: 1 })).toMatchObject([
      { sharedBlocks: 2 },
    ]);
    expect(await scanModel(reader, { blocks: [], tensors: [] })).toEqual([]);
  });
});
