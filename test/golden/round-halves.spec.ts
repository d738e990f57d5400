import ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { toFloat32 } from "../../crawler/checkpoint/dtype.ts";
import { toFloat16 } from "../../crawler/export/to-float16.ts";
import { encodeOnnxModel, type OnnxModel } from "../../crawler/export/onnx-model.ts";
import { roundHalves } from "./round-halves.ts";

const node = (opType: string, inputs: string[], output: string, attributes = {}) => ({
  ...{ opType, name: output, inputs, outputs: [output], attributes },
});

/** y = x, by way of float16. */
const model: OnnxModel = {
  graphName: "test",
  inputs: [{ name: "x", type: "float", dims: ["n"] }],
  outputs: [{ name: "y", type: "float", dims: ["n"] }],
  nodes: [node("Cast", ["x"], "half", { to: 10 }), node("Cast", ["half"], "y", { to: 1 })],
  initializers: [],
};

async function run(x: Float32Array): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(encodeOnnxModel(roundHalves(model)));
  try {
    const { y } = await session.run({ x: new ort.Tensor("float32", x, [x.length]) });
    if (!(y?.data instanceof Float32Array)) throw new Error("no floats came out");
    return y.data;
  } finally {
    await session.release();
  }
}

describe("roundHalves", () => {
  it("rounds as float16 does, small numbers and large ones too", async () => {
    const x = Float32Array.from({ length: 4000 }, (_, index) => Math.sin(index) * 2 ** ((index % 40) - 25));
    const rounded = toFloat32("F16", new Uint8Array(toFloat16(x).buffer));
    const withoutSignOfZero = (values: Float32Array) => values.map((value) => value + 0);
    expect(withoutSignOfZero(await run(x))).toEqual(withoutSignOfZero(rounded));
  });

  it("makes what is too large infinite", async () => {
    expect([...(await run(Float32Array.of(65504, 65519, 65520, -1e30)))]).toEqual([65504, 65504, Infinity, -Infinity]);
  });
});
