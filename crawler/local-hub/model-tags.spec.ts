import { expect, it } from "vitest";
import { datasetTags, modelTags } from "./model-tags.ts";

const tagsOf = (card: Record<string, unknown>, paths: readonly string[] = []) =>
  modelTags({ card, config: undefined, paths }).tags;

it("derives library, format, type and task from configuration and files", () => {
  const config = { model_type: "vit", architectures: ["ViTForImageClassification"] };
  expect(modelTags({ card: undefined, config, paths: ["model.safetensors", "pytorch_model.bin"] })).toEqual({
    tags: ["transformers", "pytorch", "safetensors", "vit", "image-classification", "region:us"],
    libraryName: "transformers",
    pipelineTag: "image-classification",
  });
});

it("lets the card overrule the configuration", () => {
  const config = { model_type: "resnet", architectures: ["ResNetForImageClassification"] };
  const card = { library_name: "timm", pipeline_tag: "image-feature-extraction" };
  expect(modelTags({ card, config, paths: [] })).toMatchObject({
    libraryName: "timm",
    pipelineTag: "image-feature-extraction",
  });
});

it.each([
  ["finetune", { base_model: "a/b" }, []],
  ["adapter", { base_model: "a/b" }, ["adapter_config.json"]],
  ["quantized", { base_model: "a/b" }, ["model-q4.gguf"]],
  ["merge", { base_model: ["a/b", "a/c"] }, []],
  ["quantized", { base_model: "a/b", base_model_relation: "quantized" }, []],
  ["finetune", { base_model: "a/b", base_model_relation: "cousin" }, []],
])("calls a relation to the base model %s", (relation, card, paths) => {
  expect(tagsOf(card, paths)).toEqual(expect.arrayContaining(["base_model:a/b", `base_model:${relation}:a/b`]));
});

it("names data sets and licenses, and gives each tag once", () => {
  expect(tagsOf({ datasets: "cifar10", license: "mit", language: ["en", "de"], tags: ["en", 7] })).toEqual([
    "en",
    "de",
    "dataset:cifar10",
    "license:mit",
    "region:us",
  ]);
});

it("names the field in the tags of a data set", () => {
  const card = { task_categories: ["image-classification"], language: "en" };
  expect(datasetTags({ card, config: undefined, paths: [] }).tags).toEqual([
    "task_categories:image-classification",
    "language:en",
    "region:us",
  ]);
});
