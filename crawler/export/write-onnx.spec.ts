import ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { furthest, waves } from "../../test/export/run-graph.ts";
import { elementCount, type BlockGraph, type TensorInfo } from "./graph.ts";
import { openDims } from "./open-dims.ts";
import { addPositions } from "./operators/position.ts";
import { flattenMap, insertTokens } from "./operators/tokens.ts";
import { Ops, type Value } from "./ops.ts";
import { chainWriter, writeOnnx } from "./write-onnx.ts";

/** Tokens of a picture with positions, then further positions in a block of their own, as in YOLOS. */
function chain(antialias: boolean): readonly BlockGraph[] {
  const options = { grid: [3, 4], before: 1, after: 2, antialias } as const;
  const positions = { name: "positions", shape: [15, 2] };
  const picture: TensorInfo = { dims: [2, 3, 4] };
  const first = new Ops([["x", picture]]);
  const x: Value<4> = { id: 0, info: picture, rank: 4 };
  const classified = insertTokens(first, flattenMap(first, x), [{ name: "class", shape: [1, 2] }]);
  const tokens = insertTokens(first, classified, [{ name: "detections", shape: [2, 2] }], "end");
  const embedded = addPositions(first, tokens, positions, options);
  const second = new Ops([["x", embedded.info]]);
  const again = addPositions(second, { ...embedded, id: 0 }, positions, options);
  return [first.finish("embeddings", embedded).graph, second.finish("positions", again).graph];
}

async function run(
  graphs: readonly BlockGraph[],
  made: TensorInfo,
  isOpen: boolean,
  fed: TensorInfo,
): Promise<number[]> {
  const parts = graphs.map((graph, index) => {
    const values = (slot: number) => waves(elementCount(graph.slots[slot] ?? []), slot);
    const bytes = (slot: number) => Uint8Array.from(new Uint8Array(Float32Array.from(values(slot)).buffer));
    return {
      name: `b${index}`,
      graph,
      values,
      data: (slot: number) => ({ kind: "inline", bytes: bytes(slot) }) as const,
    };
  });
  const { bytes } = writeOnnx(parts, {
    graphName: "test",
    inputs: [
      { value: { name: "x", type: "float", dims: ["n", ...(isOpen ? openDims(made) : made.dims)] }, info: made },
    ],
    outputName: "y",
  });
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  try {
    const { y } = await session.run({ x: new ort.Tensor("float32", waves(elementCount(fed.dims)), [1, ...fed.dims]) });
    if (!(y?.data instanceof Float32Array)) throw new Error("no floats came out");
    return [...y.data];
  } finally {
    await session.release();
  }
}

describe("writeOnnx", () => {
  const trained: TensorInfo = { dims: [2, 3, 4] };

  it.each([
    ["smaller", false, [2, 2, 3]],
    ["larger", false, [2, 7, 5]],
    ["smaller, antialiased", true, [2, 1, 2]],
    ["larger one way, antialiased", true, [2, 2, 9]],
    ["equal", false, [2, 3, 4]],
  ])("writes a file for pictures of any size: one that is %s", async (_case, antialias, dims) => {
    const graphs = chain(antialias);
    const exact = await run(graphs, { dims }, false, { dims });
    expect(furthest(await run(graphs, trained, true, { dims }), exact)).toBeLessThan(2e-6);
  });

  it("refuses another size in a file for one", async () => {
    await expect(run(chain(false), trained, false, { dims: [2, 2, 3] })).rejects.toThrow(/invalid dimensions/i);
  });
});

describe("chainWriter", () => {
  const part = (graph: BlockGraph, index: number, seed: number) => {
    const values = (slot: number) => waves(elementCount(graph.slots[slot] ?? []), slot + seed);
    const bytes = (slot: number) => new Uint8Array(Float32Array.from(values(slot)).buffer);
    return {
      name: `b${index}`,
      graph,
      values,
      data: (slot: number) => ({ kind: "inline", bytes: bytes(slot) }) as const,
    };
  };
  const info: TensorInfo = { dims: [2, 3, 4] };
  const options = {
    graphName: "test",
    inputs: [{ value: { name: "x", type: "float", dims: ["n", ...info.dims] }, info }],
    outputName: "y",
    metadata: { key: "value" },
  } as const;

  /** Tokens of a picture, twice, the second time behind others. */
  function plain(): BlockGraph[] {
    const first = new Ops([["x", info]]);
    const tokens = insertTokens(first, flattenMap(first, { id: 0, info, rank: 4 }), [{ name: "class", shape: [1, 2] }]);
    const second = new Ops([["x", tokens.info]]);
    const more = insertTokens(second, { ...tokens, id: 0 }, [{ name: "detections", shape: [2, 2] }], "end");
    return [first.finish("first", tokens).graph, second.finish("second", more).graph];
  }

  it.each([
    ["the same for all weights", plain()],
    ["another for each, where operators read them", chain(false)],
  ])("writes byte for byte what writeOnnx does: %s", (_case, graphs) => {
    const chains = [0, 1, 2].map((seed) => graphs.map((graph, index) => part(graph, index, 100 * seed)));
    const [first = []] = chains;
    const write = chainWriter(first, options);
    const written = chains.map((parts) => Buffer.from(write(parts)));
    written.forEach((bytes, index) => {
      expect(bytes.equals(writeOnnx(chains[index] ?? [], options).bytes)).toBe(true);
    });
    expect(new Set(written.map(String)).size).toBe(3);
  });
});
