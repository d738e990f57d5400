import { readSafetensorsSummary, type SafetensorsSummary } from "./read-safetensors-summary.ts";
import type { Repository } from "./repository.ts";
import type { RepositoryFacts } from "./repository-facts.ts";
import type { Snapshot, SnapshotFile } from "./snapshot.ts";

/** Fields of an entry in a list, where the caller asked for no others. */
const BRIEF = "private likes downloads tags pipeline_tag library_name createdAt";
const FULL = `${BRIEF} author gated disabled sha lastModified siblings`;
const INFO = `${FULL} config cardData model-index safetensors spaces usedStorage`;

export const BRIEF_FIELDS: readonly string[] = BRIEF.split(" ");
export const FULL_FIELDS: readonly string[] = FULL.split(" ");
export const INFO_FIELDS: readonly string[] = INFO.split(" ");

export interface RepositoryJsonParams {
  readonly facts: RepositoryFacts;
  readonly fields: readonly string[];
  /** Called only if a field needs it: it reads every file of the repository. */
  readonly snapshot: () => Promise<Snapshot>;
  /** Whether each file tells its size and hashes. */
  readonly blobs?: boolean;
}

/** A repository as the API shows it, with the fields that were asked for. Its ids are always there. */
export async function repositoryJson(params: RepositoryJsonParams): Promise<Record<string, unknown>> {
  const { repository } = params.facts;
  const json: Record<string, unknown> = { _id: repository.internalId, id: repository.id };
  if (repository.type === "model") json["modelId"] = repository.id;
  for (const field of params.fields) {
    const value = await fieldValue(field, params);
    if (value !== undefined) json[field] = value;
  }
  return json;
}

async function fieldValue(field: string, params: RepositoryJsonParams): Promise<unknown> {
  const { facts } = params;
  const { repository } = facts;
  switch (field) {
    case "author":
    case "private":
    case "gated":
    case "downloads":
    case "likes":
    case "tags":
    case "createdAt":
    case "lastModified":
      return facts[field];
    case "downloadsAllTime":
      return facts.downloads;
    case "pipeline_tag":
      return repository.pipelineTag;
    case "library_name":
      return repository.libraryName;
    case "config":
      return repository.config;
    case "cardData":
      return repository.card;
    case "model-index":
      return repository.type === "model" ? (repository.card?.["model-index"] ?? null) : undefined;
    case "sha":
      return (await params.snapshot()).sha;
    case "siblings":
      return params.blobs
        ? (await params.snapshot()).files.map(blobJson)
        : repository.files.map((file) => ({ rfilename: file.path }));
    case "safetensors":
      return repository.type === "model" ? await safetensorsSummary(repository) : undefined;
    case "usedStorage":
      return repository.files.reduce((sum, file) => sum + file.size, 0);
    case "disabled":
      return false;
    case "trendingScore":
      return 0;
    case "spaces":
      return repository.type === "model" ? [] : undefined;
    default:
      return undefined; // a field of the Hub that a folder cannot have
  }
}

/** A file as `blobs=true` shows it. The sha256 of a large file is there without a download. */
const blobJson = ({ path, size, oid, lfs }: SnapshotFile): Record<string, unknown> => ({
  rfilename: path,
  blobId: oid,
  size,
  ...(lfs && { lfs: { sha256: lfs.oid, size: lfs.size, pointerSize: lfs.pointerSize } }),
});

const summaries = new WeakMap<Repository, Promise<SafetensorsSummary | undefined>>();

function safetensorsSummary(repository: Repository): Promise<SafetensorsSummary | undefined> {
  const summary = summaries.get(repository) ?? readSafetensorsSummary(repository);
  summaries.set(repository, summary);
  return summary;
}
