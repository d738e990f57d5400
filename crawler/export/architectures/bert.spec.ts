import { describe, expect, it } from "vitest";
import { headerOnly } from "../../../test/export/header-only.ts";
import { UnsupportedModelError } from "../../errors.ts";
import { fileInputs } from "../file-inputs.ts";
import { canonicalGraph, type Backbone } from "../graph.ts";
import { inferGraph } from "../infer-graph.ts";
import { getArchitecture } from "../registry.ts";
import { poolingConfigPath, poolingFeature } from "../sentence-pooling.ts";

type Shapes = Record<string, readonly number[]>;

const module = (name: string, out: number, ...rest: number[]): Shapes => ({
  [`${name}.weight`]: [out, ...rest],
  [`${name}.bias`]: [out],
});
const layer = (name: string): Shapes => ({
  ...module(`${name}.attention.self.query`, 4, 4),
  ...module(`${name}.attention.self.key`, 4, 4),
  ...module(`${name}.attention.self.value`, 4, 4),
  ...module(`${name}.attention.output.dense`, 4, 4),
  ...module(`${name}.attention.output.LayerNorm`, 4),
  ...module(`${name}.intermediate.dense`, 6, 4),
  ...module(`${name}.output.dense`, 4, 6),
  ...module(`${name}.output.LayerNorm`, 4),
});
/** The smallest BERT below a prefix: width 4, two layers. */
const shapes = (prefix: string, positions = 600): Shapes => ({
  [`${prefix}embeddings.word_embeddings.weight`]: [9, 4],
  [`${prefix}embeddings.position_embeddings.weight`]: [positions, 4],
  [`${prefix}embeddings.token_type_embeddings.weight`]: [2, 4],
  ...module(`${prefix}embeddings.LayerNorm`, 4),
  ...layer(`${prefix}encoder.layer.0`),
  ...layer(`${prefix}encoder.layer.1`),
});
const config = {
  model_type: "bert",
  hidden_size: 4,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 6,
  max_position_embeddings: 600,
};
const build = (change: object = {}, tensors = shapes("bert.")): Backbone =>
  getArchitecture({ ...config, ...change }).build(headerOnly(tensors), { ...config, ...change });
const graphs = (backbone: Backbone) => backbone.blocks.map((block) => canonicalGraph(block.graph));

describe("bert", () => {
  it("is embeddings and a block a layer, each with the inputs that it reads", () => {
    const { blocks, head, input } = build();
    expect(blocks.map((block) => [block.name, block.graph.inputs])).toEqual([
      ["embeddings", ["x", "token_type_ids"]],
      ["layer0", ["x", "attention_mask"]],
      ["layer1", ["x", "attention_mask"]],
    ]);
    expect(head.inputs).toEqual(["x"]);
    const names = ["input_ids", "attention_mask", "token_type_ids"];
    expect(input).toEqual({ kind: "text", length: 512, names, padId: 0 });
  });

  it("is the same model bare, and in the names of TensorFlow", () => {
    const bare = build({}, shapes(""));
    const legacy = Object.fromEntries(
      Object.entries(shapes("bert.")).map(([name, shape]) => [
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
        shape,
      ]),
    );
    expect(graphs(bare)).toEqual(graphs(build()));
    expect(graphs(build({}, legacy))).toEqual(graphs(build()));
  });

  it("infers shapes at any length, with the mask as long as the text", () => {
    const [embeddings, first] = build().blocks;
    if (!embeddings || !first) throw new Error("no blocks");
    const { output } = inferGraph(embeddings.graph, [{ dims: [7] }]);
    expect(output.dims).toEqual([7, 4]);
    expect(inferGraph(first.graph, [output]).output.dims).toEqual([7, 4]);
    expect(() => inferGraph(embeddings.graph, [{ dims: [601] }])).toThrow("at most 600 tokens");
  });

  it("declares ids and masks as whole numbers, in files of one block or several", () => {
    const { blocks, head } = build();
    const inputs = fileInputs([...blocks.map((block) => block.graph), head], { dims: [7] });
    expect(inputs.map(({ value }) => [value.name, value.type, value.dims])).toEqual([
      ["x", "int64", ["batch", "tokens"]],
      ["token_type_ids", "int64", ["batch", "tokens"]],
      ["attention_mask", "int64", ["batch", "tokens"]],
    ]);
    const [, second] = blocks;
    if (!second) throw new Error("no layer");
    expect(fileInputs([second.graph], { dims: [7, 4] }).map(({ value }) => [value.type, value.dims])).toEqual([
      ["float", ["batch", "tokens", 4]],
      ["int64", ["batch", "tokens"]],
    ]);
  });

  it.each([
    ["decoders", { is_decoder: true }, "decoders are not supported"],
    ["relative positions", { position_embedding_type: "relative_key" }, "only absolute position embeddings"],
    ["pruned heads", { pruned_heads: { 0: [1] } }, "pruned attention heads"],
    ["heads that do not fit", { num_attention_heads: 3 }, "3 attention heads do not divide"],
    ["unknown activations", { hidden_act: "laplace" }, 'activation "laplace"'],
  ])("refuses %s with the reason", (_what, change, reason) => {
    expect(() => build(change)).toThrow(UnsupportedModelError);
    expect(() => build(change)).toThrow(reason);
  });

  it.each([
    ["layers", { num_hidden_layers: 3 }, "config.json tells of 3 modules"],
    ["positions", { max_position_embeddings: 512 }, "config.json asks for [512, 4]"],
    ["types", { type_vocab_size: 1 }, "config.json asks for [1, 4]"],
    ["inner width", { intermediate_size: 8 }, "config.json asks for [8, 4]"],
  ])("says that weights and configuration disagree about %s", (_what, change, reason) => {
    expect(() => build(change)).toThrow(reason);
  });
});

describe("roberta", () => {
  it("leaves room for padding before its positions", () => {
    const roberta = build({ model_type: "roberta", max_position_embeddings: 514 }, shapes("roberta.", 514));
    expect(roberta.input).toEqual({
      kind: "text",
      length: 512,
      names: ["input_ids", "attention_mask"],
      padId: 1,
    });
    const [embeddings] = roberta.blocks;
    if (!embeddings) throw new Error("no blocks");
    expect(() => inferGraph(embeddings.graph, [{ dims: [513] }])).toThrow("at most 512 tokens");
  });
});

describe("sentence-transformers' pooling", () => {
  const modules = (path: string) => [
    { idx: 0, name: "0", path: "", type: "sentence_transformers.models.Transformer" },
    { idx: 1, name: "1", path, type: "sentence_transformers.models.Pooling" },
  ];
  it("is found by its type", () => {
    expect(poolingConfigPath(modules("1_Pooling"))).toBe("1_Pooling/config.json");
    expect(poolingConfigPath(modules("1_Pooling").slice(0, 1))).toBeNull();
    expect(() => poolingConfigPath({})).toThrow(UnsupportedModelError);
  });

  const flags = (on: string) => ({
    pooling_mode_mean_tokens: false,
    ...Object.fromEntries(on.split(" ").map((mode) => [`pooling_mode_${mode}`, true])),
  });
  it.each([
    ["mean_tokens", ["x", "attention_mask"]],
    ["max_tokens", ["x", "attention_mask"]],
    ["cls_token", ["x"]],
  ])("%s becomes the head", (mode, inputs) => {
    const tensors = headerOnly(shapes(""));
    const { head } = getArchitecture(config).build(tensors, config, undefined, poolingFeature(flags(mode)));
    expect(head.inputs).toEqual(inputs);
  });

  it.each(["lasttoken", "mean_sqrt_len_tokens", "cls_token mean_tokens"])("refuses %s with the reason", (mode) => {
    expect(() => poolingFeature(flags(mode))).toThrow(/sentence-transformers' pooling ".+" is not supported/);
  });
});
