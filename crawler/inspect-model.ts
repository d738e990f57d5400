import { openCheckpoint, type Checkpoint, type OpenCheckpointOptions } from "./checkpoint/open-checkpoint.ts";
import { CheckpointError, UnsupportedModelError } from "./errors.ts";
import type { Backbone } from "./export/graph.ts";
import { getArchitecture, modelTypeOf } from "./export/registry.ts";
import { HubError } from "./hub/hub-error.ts";
import { MAX_CONFIG_BYTES, parseJsonFile } from "./parse-json.ts";
import { planText } from "./plan-text.ts";
import { PreprocessingError } from "./preprocessing/errors.ts";
import { parsePreprocessorConfig, type ParsedPreprocessor } from "./preprocessing/parse-preprocessor-config.ts";
import type { Repository, RepositoryFile } from "./repository.ts";
import type { ParsedTokenizer } from "./text/read-tokenizer.ts";

/** What a model's small files and headers tell; its weights have not been read. */
export interface InspectedModel {
  readonly files: readonly RepositoryFile[];
  readonly config: unknown;
  readonly modelType: string | null;
  /** Null where the weights are in no format that is read. */
  readonly checkpoint: Checkpoint | null;
  readonly export: ExportPlan | UnsupportedModelError;
}

/** A model that can be exported: its chain, and what it does to an item first. */
export interface ExportPlan {
  readonly kind: "export";
  readonly checkpoint: Checkpoint;
  readonly backbone: Backbone;
  /** What it does to an item first. */
  readonly preprocessing: ParsedPreprocessor | ParsedTokenizer;
}

/**
 * Reads a model's configuration and the headers of its weights.
 * @throws CheckpointError when its files contradict themselves
 */
export async function inspectModel(
  repository: Repository,
  options: OpenCheckpointOptions = {},
): Promise<InspectedModel> {
  const { signal } = options;
  const early = await readEarly(repository, signal);
  if (early !== undefined) {
    const foreign = whyForeign(early);
    if (foreign) return { files: [], config: early, modelType: modelTypeOf(early), checkpoint: null, export: foreign };
  }
  const files = await repository.listFiles(signal);
  const readJson = async (path: string): Promise<unknown> =>
    files.some((file) => file.path === path)
      ? parseJsonFile(await repository.readFile(path, MAX_CONFIG_BYTES, signal), path)
      : undefined;
  const config = early ?? (await readJson("config.json"));
  const late = early === undefined && config !== undefined ? whyForeign(config) : null;
  if (late) return { files: [], config, modelType: modelTypeOf(config), checkpoint: null, export: late }; // as above
  const modelType = modelTypeOf(config);
  const known = { files, config, modelType };
  let checkpoint: Checkpoint | null = null;
  try {
    if (config === undefined) throw new UnsupportedModelError(whyNoConfig(files));
    const architecture = getArchitecture(config);
    if (architecture.takes === "text") {
      checkpoint = await openCheckpoint(repository, files, options);
      const context = { repository, files, config, modelType: modelType ?? "", readJson, signal };
      return { ...known, checkpoint, export: await planText(architecture, checkpoint, context) };
    }
    const preprocessing = readPreprocessing(
      (await readJson("preprocessor_config.json")) ?? (modelType?.startsWith("timm:") ? config : undefined),
      modelType ?? "",
    );
    checkpoint = await openCheckpoint(repository, files, options);
    const { height, width } = preprocessing.preprocessing;
    const backbone = architecture.build(checkpoint, config, { height, width });
    return { ...known, checkpoint, export: { kind: "export", checkpoint, backbone, preprocessing } };
  } catch (cause) {
    if (!(cause instanceof UnsupportedModelError)) throw cause;
    return { ...known, checkpoint, export: cause };
  }
}

/**
 * Why a model's configuration alone makes it unsupported: that is so for most of a hub. One request for a file tells,
 * where a list of files would be one of the few questions that the hub allows to its API.
 * @returns null for any other model
 */
function whyForeign(config: unknown): UnsupportedModelError | null {
  try {
    getArchitecture(config);
    return null;
  } catch (cause) {
    if (cause instanceof UnsupportedModelError) return cause;
    throw cause;
  }
}

/** The configuration; undefined where it is not there or not JSON, of which the list of files tells more. */
async function readEarly(repository: Repository, signal?: AbortSignal): Promise<unknown> {
  try {
    return parseJsonFile(await repository.readFile("config.json", MAX_CONFIG_BYTES, signal), "config.json");
  } catch (cause) {
    if (cause instanceof CheckpointError || (cause instanceof HubError && cause.code === "EntryNotFound")) return;
    throw cause;
  }
}

const whyNoConfig = (files: readonly RepositoryFile[]): string =>
  files.some(({ path }) => path === "adapter_config.json")
    ? "adapter without base weights (adapter_config.json, no config.json): crawl a merged model"
    : "no config.json: not a transformers or timm repository";

function readPreprocessing(json: unknown, modelType: string): ParsedPreprocessor {
  try {
    return parsePreprocessorConfig(json, { modelType });
  } catch (cause) {
    if (cause instanceof PreprocessingError) throw new UnsupportedModelError(cause.message, { cause });
    throw cause;
  }
}
