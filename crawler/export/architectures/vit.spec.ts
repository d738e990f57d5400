import { describe, expect, it } from "vitest";
import { headerOnly, tinyTimmConfig, tinyTimmViT, tinyViT, tinyViTConfig } from "../../../test/export/header-only.ts";
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { canonicalGraph, type Backbone } from "../graph.ts";
import { getArchitecture } from "../registry.ts";

type Shapes = Readonly<Record<string, readonly number[]>>;

const build = (shapes: Shapes, config: object, side?: number): Backbone =>
  getArchitecture(config).build(headerOnly(shapes), config, side ? { height: side, width: side } : undefined);
const buildTiny = (change: object, shapes: Shapes = tinyViT) => build(shapes, { ...tinyViTConfig, ...change });
const graphs = (backbone: Backbone) => backbone.blocks.map((block) => canonicalGraph(block.graph));
/** Without one tensor. */
const without = (name: string): Shapes => Object.fromEntries(Object.entries(tinyViT).filter(([key]) => key !== name));

describe("vit", () => {
  it("is embeddings, a block a layer, and the final norm", () => {
    const backbone = build(tinyViT, tinyViTConfig);
    expect(backbone.blocks.map((block) => block.name)).toEqual(["embeddings", "layer0", "layer1", "final-norm"]);
    expect(backbone.input).toEqual({ kind: "image", channels: 3, height: 16, width: 16 });
    const [, first, second] = graphs(backbone);
    expect(first).toBe(second);
  });

  it("has the same graphs at every picture size", () => {
    expect(graphs(build(tinyViT, tinyViTConfig, 40))).toEqual(graphs(build(tinyViT, tinyViTConfig)));
  });

  it("is the same model in timm's names, with rows of the fused matrix as slots", () => {
    const [ours, timm] = [
      build(tinyViT, { ...tinyViTConfig, layer_norm_eps: 1e-6 }),
      build(tinyTimmViT, tinyTimmConfig),
    ];
    expect(graphs(timm)).toEqual(graphs(ours));
    const fused = timm.blocks[1]?.tensors.filter((tensor) => tensor.name === "blocks.0.attn.qkv.weight");
    expect(fused?.map((tensor) => [tensor.shape, tensor.offset])).toEqual([
      [[4, 4], 0],
      [[4, 4], 16],
      [[4, 4], 32],
    ]);
  });

  it("is found below the prefix of an encoder too", () => {
    const encoder = Object.fromEntries(
      Object.entries(tinyViT).map(([name, shape]) => [name.replace(/^vit\./, "encoder."), shape]),
    );
    const config = { model_type: "vision-encoder-decoder", encoder: tinyViTConfig };
    expect(graphs(build(encoder, config))).toEqual(graphs(build(tinyViT, tinyViTConfig)));
    const unknown = { ...config, encoder: { model_type: "sew" } };
    expect(() => build(encoder, unknown)).toThrow('model_type "sew" has no exporter');
  });

  it.each([
    ["a tensor that is missing", {}, without("vit.encoder.layer.1.output.dense.bias"), "layer.1.output.dense.bias"],
    ["another number of layers", { num_hidden_layers: 3 }, tinyViT, "config.json tells of 3 modules"],
    ["another width", { hidden_size: 8 }, tinyViT, 'projection.weight" has shape [4, 3, 8, 8]'],
    ["another inner width", { intermediate_size: 7 }, tinyViT, "config.json asks for [7, 4]"],
    ["another picture size", { image_size: 24 }, tinyViT, "block embeddings: addPositions expects"],
    [
      "biases that are denied",
      { qkv_bias: false },
      tinyViT,
      'tensor "vit.encoder.layer.0.attention.attention.query.bias"',
    ],
    ["no backbone at all", {}, { "classifier.weight": [3, 4] }, 'no tensors below "vit.embeddings"'],
  ])("calls %s a contradiction", (_case, change, shapes, message) => {
    const attempt = () => buildTiny(change, shapes);
    expect(attempt).toThrow(CheckpointError);
    expect(attempt).toThrow(message);
  });

  it.each([
    [{ num_attention_heads: 3 }, "3 attention heads do not divide a width of 4"],
    [{ hidden_act: "xielu" }, 'activation "xielu" is not supported'],
    [{ num_channels: 1 }, "only pictures of 3 channels are supported"],
    [{ num_hidden_layers: 5000 }, "num_hidden_layers"],
    [{ patch_size: [8, 4] }, "patches of 8 x 4 pixels are not square"],
    [{ pruned_heads: { 0: [1] } }, "pruned attention heads"],
  ])("does not support %j", (change, message) => {
    const attempt = () => buildTiny(change);
    expect(attempt).toThrow(UnsupportedModelError);
    expect(attempt).toThrow(message);
  });
});
