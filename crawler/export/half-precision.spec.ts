import { describe, expect, it } from "vitest";
import { ranked, waves, weight } from "../../test/export/run-graph.ts";
import { elementCount, type BlockGraph } from "./graph.ts";
import { attend } from "./operators/attend.ts";
import { add } from "./operators/elementwise.ts";
import { layerNormWith } from "./operators/layer-norm.ts";
import { linearWith } from "./operators/linear.ts";
import { maskBias } from "./operators/mask.ts";
import { encodeOnnxModel, type OnnxModel } from "./onnx-model.ts";
import { Ops, type Value } from "./ops.ts";
import type { Precision } from "./precision.ts";
import { toFloat16 } from "./to-float16.ts";
import { buildOnnx } from "./write-onnx.ts";

const tokens = { dims: [5, 4] };
const mask = { dims: [5] };

/** Masked attention with a residual and a norm. */
function graph(): BlockGraph {
  const g = new Ops([
    ["x", tokens],
    ["attention_mask", mask],
  ]);
  const x: Value<3> = ranked({ id: 0, info: tokens, rank: 3 }, 3);
  const projected = linearWith(g, x, weight(1, 4, 4), weight(2, 4));
  const seen = attend(g, [projected, projected, x], { heads: 2, mask: maskBias(g, { id: 1, info: mask, rank: 2 }) });
  return g.finish("block", layerNormWith(g, add(g, x, seen), weight(3, 4), weight(4, 4), 1e-5)).graph;
}

function build(precision?: Precision): OnnxModel {
  const block = graph();
  const values = (slot: number) => waves(elementCount(block.slots[slot] ?? []), slot);
  const data = (slot: number) => ({ kind: "inline", bytes: new Uint8Array(values(slot).buffer) }) as const;
  return buildOnnx([{ name: "b", graph: block, data, values }], {
    graphName: "test",
    inputs: [
      { value: { name: "x", type: "float", dims: ["n", 5, 4] }, info: tokens },
      { value: { name: "attention_mask", type: "int64", dims: ["n", 5] }, info: mask },
    ],
    outputName: "y",
    ...(precision && { precision }),
  }).model;
}

const nodeOf = ({ nodes }: OnnxModel, opType: string) => nodes.find((node) => node.opType === opType);

describe("a file in float16", () => {
  it("takes and puts out float32, and keeps its weights in it", () => {
    const { inputs, outputs, initializers } = build("fp16");
    expect(inputs.map(({ type }) => type)).toEqual(["float", "int64"]);
    expect(outputs.map(({ type }) => type)).toEqual(["float"]);
    const weights = initializers.filter(({ name }) => /\/w\d+$/.test(name));
    expect(weights.map(({ type }) => type)).toEqual(["float", "float", "float", "float"]);
  });

  it("computes in float16, but for norms", () => {
    const model = build("fp16");
    expect(nodeOf(model, "MatMul")?.inputs[0]).toBe("x/float16");
    expect(nodeOf(model, "LayerNormalization")?.inputs).toEqual(["b/3.add.0/float", "b/w2", "b/w3"]);
  });

  it("casts each value once", () => {
    const casts = build("fp16").nodes.filter(
      ({ opType, name }) => opType === "Cast" && !name.startsWith("b/1.maskBias"),
    );
    const from = casts.map(({ inputs }) => inputs[0]);
    expect(new Set(from).size).toBe(from.length);
    expect(from).toContain("x"); // which three nodes read
  });

  it("takes the lowest float16 for what a mask leaves out, which a score can be added to", () => {
    const halves = build("fp16").initializers.filter(({ type }) => type === "float16");
    const values = halves.flatMap(({ data }) =>
      data.kind === "inline" ? [...new Uint16Array(data.bytes.slice().buffer)] : [],
    );
    expect(values).toContain(toFloat16([-65504])[0]);
    expect(values.filter((bits) => (bits & 0x7c00) === 0x7c00)).toEqual([]);
  });

  it("is byte for byte the usual file in float32", () => {
    expect(encodeOnnxModel(build("fp32"))).toEqual(encodeOnnxModel(build()));
    expect(build("fp32").nodes.filter(({ opType, name }) => opType === "Cast" && !/maskBias/.test(name))).toEqual([]);
  });
});
