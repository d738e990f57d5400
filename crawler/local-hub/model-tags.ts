import { strings, type ModelCard } from "./read-model-card.ts";

export interface TagSource {
  readonly card: ModelCard | undefined;
  readonly config: Readonly<Record<string, unknown>> | undefined;
  readonly paths: readonly string[];
}

export interface DerivedTags {
  readonly tags: readonly string[];
  readonly libraryName: string | undefined;
  readonly pipelineTag: string | undefined;
}

const RELATIONS: readonly string[] = ["adapter", "merge", "quantized", "finetune"];

/** The weight formats that the Hub shows as a tag, by the file that gives them away. */
const FORMATS: readonly (readonly [tag: string, file: RegExp])[] = [
  ["pytorch", /(^|\/)pytorch_model.*\.bin$/],
  ["tf", /(^|\/)tf_model.*\.h5$/],
  ["jax", /(^|\/)flax_model.*\.msgpack$/],
  ["onnx", /\.onnx$/],
  ["safetensors", /\.safetensors$/],
  ["gguf", /\.gguf$/],
];

/** The task that the Hub infers from the class in `config.json`, where the card names none. */
const TASKS: readonly (readonly [ending: string, task: string])[] = [
  ["ForImageClassification", "image-classification"],
  ["ForObjectDetection", "object-detection"],
  ["ForSemanticSegmentation", "image-segmentation"],
  ["ForSequenceClassification", "text-classification"],
  ["ForTokenClassification", "token-classification"],
  ["ForQuestionAnswering", "question-answering"],
  ["ForMaskedLM", "fill-mask"],
  ["ForCausalLM", "text-generation"],
];

/** Tags of a model, derived from its card, configuration and file names in the order in which the Hub lists them. */
export function modelTags({ card = {}, config = {}, paths }: TagSource): DerivedTags {
  const architecture = strings(config["architectures"])[0];
  const modelType = strings(config["model_type"])[0];
  const libraryName = strings(card["library_name"])[0] ?? (modelType === undefined ? undefined : "transformers");
  const pipelineTag = strings(card["pipeline_tag"])[0] ?? TASKS.find(([ending]) => architecture?.endsWith(ending))?.[1];
  const tags = [
    ...strings(libraryName),
    ...FORMATS.filter(([, file]) => paths.some((path) => file.test(path))).map(([tag]) => tag),
    ...strings(modelType),
    ...strings(pipelineTag),
    ...strings(card["tags"]),
    ...strings(card["language"]),
    ...strings(card["datasets"]).map((name) => `dataset:${name}`),
    ...baseModelTags(card, paths),
    ...strings(card["license"]).map((name) => `license:${name}`),
    "region:us",
  ];
  return { tags: [...new Set(tags)], libraryName, pipelineTag };
}

/** Tags of a data set. Here, unlike on models, nearly every tag names its field. */
export function datasetTags({ card = {} }: TagSource): DerivedTags {
  const fields = ["task_categories", "language", "license", "size_categories"];
  const tags = [
    ...fields.flatMap((field) => strings(card[field]).map((value) => `${field}:${value}`)),
    ...strings(card["tags"]),
    "region:us",
  ];
  return { tags: [...new Set(tags)], libraryName: undefined, pipelineTag: undefined };
}

function baseModelTags(card: ModelCard, paths: readonly string[]): readonly string[] {
  const bases = strings(card["base_model"]);
  const stated = strings(card["base_model_relation"])[0];
  const relation = stated !== undefined && RELATIONS.includes(stated) ? stated : inferRelation(bases, paths);
  return bases.flatMap((base) => [`base_model:${base}`, `base_model:${relation}:${base}`]);
}

function inferRelation(bases: readonly string[], paths: readonly string[]): string {
  if (paths.includes("adapter_config.json")) return "adapter";
  if (paths.some((path) => path.endsWith(".gguf"))) return "quantized";
  return bases.length > 1 ? "merge" : "finetune";
}
