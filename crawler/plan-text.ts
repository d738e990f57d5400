import type { Checkpoint } from "./checkpoint/open-checkpoint.ts";
import type { Architecture } from "./export/architecture.ts";
import { poolingConfigPath, poolingFeature } from "./export/sentence-pooling.ts";
import type { ExportPlan } from "./inspect-model.ts";
import type { Repository, RepositoryFile } from "./repository.ts";
import { readTokenizer } from "./text/read-tokenizer.ts";

/** The repository of a text model. */
export interface TextContext {
  readonly repository: Repository;
  readonly files: readonly RepositoryFile[];
  readonly config: unknown;
  readonly modelType: string;
  /** Undefined for a file that is not there. */
  readonly readJson: (path: string) => Promise<unknown>;
  readonly signal?: AbortSignal | undefined;
}

/** What a text model's files say: its chain with the pooling that the repository names, and its tokenizer. */
export async function planText(
  architecture: Architecture,
  checkpoint: Checkpoint,
  { repository, files, config, modelType, readJson, signal }: TextContext,
): Promise<ExportPlan> {
  const modules = await readJson("modules.json");
  const path = modules === undefined ? null : poolingConfigPath(modules);
  const head = path === null ? undefined : poolingFeature(await readJson(path));
  const backbone = architecture.build(checkpoint, config, undefined, head);
  if (backbone.input.kind !== "text") throw new Error(`${architecture.name} takes no texts`);
  const { length: positions, padId } = backbone.input;
  const preprocessing = await readTokenizer(repository, files, { modelType, positions, padId, signal });
  return { kind: "export", checkpoint, backbone, preprocessing };
}
