import { InputError } from "../errors.ts";
import { findDefaultProcessorConfig } from "./default-processor-config.ts";
import { PreprocessingError } from "./errors.ts";
import { parseTimmConfig } from "./parse-timm-config.ts";
import { buildPreprocessing, squareCrop, type Normalization } from "./build-preprocessing.ts";
import { MAX_EDGE, parseSettings, transformersSchema, type TransformersSettings } from "./preprocessor-schema.ts";
import { PROCESSOR_CLASSES, type ProcessorClass } from "./processor-classes.ts";
import { processorSteps, RESAMPLE_CODES } from "./processor-steps.ts";
import type { Preprocessing } from "./preprocessing.ts";

export interface PreprocessorOptions {
  /** `model_type` of the model's config.json: says which processor is meant where the configuration does not. */
  readonly modelType: string;
  /** Overrides the geometry: the shortest edge becomes so many pixels, then a centre crop of a square. 1 to 4096. */
  readonly imageSize?: number | undefined;
}

/** A model's preprocessing, and what had to be assumed for it, in words for the user. */
export interface ParsedPreprocessor {
  readonly preprocessing: Preprocessing;
  readonly assumed: readonly string[];
}

/**
 * Reads what a model does to a picture.
 * @param json preprocessor_config.json (or processor_config.json) of transformers, or config.json of timm, parsed;
 *   undefined where the repository has none
 * @throws PreprocessingError when the processor is not known or its settings make no sense
 * @throws InputError when `imageSize` is out of its range
 */
export function parsePreprocessorConfig(json: unknown, options: PreprocessorOptions): ParsedPreprocessor {
  const { modelType, imageSize } = options;
  if (imageSize !== undefined && !(Number.isInteger(imageSize) && imageSize >= 1 && imageSize <= MAX_EDGE)) {
    throw new InputError(`--image-size: expected a whole number from 1 to ${MAX_EDGE}, got ${imageSize}`);
  }
  if (json === undefined) return parseDefault(options);
  const where = "preprocessor_config.json";
  if (!isRecord(json)) throw new PreprocessingError(`${where} is not a JSON object`);
  const timm = parseTimmConfig(json, imageSize);
  if (timm) return { preprocessing: timm, assumed: [] };
  // transformers 5 writes processor_config.json, with the settings one level down.
  const settings = parseSettings(
    transformersSchema,
    isRecord(json.image_processor) ? json.image_processor : json,
    where,
  );
  const named = settings.image_processor_type ?? settings.feature_extractor_type ?? undefined;
  const type = named ?? findDefaultProcessorConfig(modelType)?.image_processor_type;
  const processor = type === undefined ? undefined : PROCESSOR_CLASSES.get(baseName(type));
  if (!processor) return parseUnknown(settings, type, options);
  const assumed = named === undefined ? [`its preprocessor_config.json names no class: took ${type}`] : [];
  const parsed = parseKnown(processor, settings, imageSize);
  return { ...parsed, assumed: [...assumed, ...parsed.assumed] };
}

function parseDefault({ modelType, imageSize }: PreprocessorOptions): ParsedPreprocessor {
  const config = findDefaultProcessorConfig(modelType);
  if (!config) {
    throw new PreprocessingError(
      `the model has no preprocessor_config.json, and no default is known for the model type ${quote(modelType)}`,
    );
  }
  const parsed = parsePreprocessorConfig(config, { modelType, imageSize });
  const { height, width } = parsed.preprocessing;
  const assumption = `no preprocessor_config.json: took the usual ${config.image_processor_type} of ${modelType} (${height}x${width})`;
  return { ...parsed, assumed: [assumption, ...parsed.assumed] };
}

function parseKnown(processor: ProcessorClass, settings: TransformersSettings, imageSize?: number): ParsedPreprocessor {
  const { mean, std, normalizes } = processor;
  const normalization: Normalization = {
    rescale: settings.do_rescale === false ? 1 : (settings.rescale_factor ?? 1 / 255),
    offset: settings.rescale_offset === true ? 1 : 0,
    ...((settings.do_normalize ?? normalizes)
      ? { mean: settings.image_mean ?? mean, std: settings.image_std ?? std }
      : { mean: [0, 0, 0], std: [1, 1, 1] }),
    again:
      (settings.include_top ?? processor.includeTop ?? false) && processor.includeTop !== undefined
        ? (settings.image_std ?? std)
        : [1, 1, 1],
  };
  const code = settings.resample ?? undefined;
  const resample = code === undefined ? processor.resample : (RESAMPLE_CODES[code] ?? processor.resample);
  if (imageSize !== undefined) {
    return {
      preprocessing: buildPreprocessing(squareCrop(imageSize, imageSize, resample), normalization),
      assumed: [],
    };
  }
  const { steps, assumed } = processorSteps(processor, settings, resample);
  return { preprocessing: buildPreprocessing(steps, normalization), assumed };
}

/** With --image-size only mean and deviation are needed, which every class spells the same. */
function parseUnknown(
  settings: TransformersSettings,
  type: string | undefined,
  { modelType, imageSize }: PreprocessorOptions,
): ParsedPreprocessor {
  const { image_mean: mean, image_std: std } = settings;
  if (imageSize !== undefined && mean && std) {
    const generic: ProcessorClass = {
      layout: "plain",
      number: "square",
      size: { shortest: imageSize },
      resample: "bicubic",
      mean,
      std,
      normalizes: true,
    };
    const assumed = [`${type ?? "its processor"} is not known: used its mean and deviation, as --image-size asks`];
    return { ...parseKnown(generic, settings, imageSize), assumed };
  }
  throw new PreprocessingError(
    type === undefined
      ? `preprocessor_config.json names no class, and none is known for the model type ${quote(modelType)}`
      : `the image processor ${quote(type)} is not supported; --image-size N prepares pictures with its mean and deviation alone`,
  );
}

/** `ViTImageProcessorFast`, `ViTFeatureExtractor` -> `vit`. */
const baseName = (type: string): string =>
  type
    .toLowerCase()
    .replace(/fast$/, "")
    .replace(/(imageprocessor|featureextractor)$/, "");

const quote = (text: string): string => JSON.stringify(text.slice(0, 100));

const isRecord = (json: unknown): json is Record<string, unknown> =>
  typeof json === "object" && json !== null && !Array.isArray(json);
