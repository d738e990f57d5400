import { createHash } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { z } from "zod";
import type { ListedFile, ListedFolder } from "./list-folder.ts";
import { datasetTags, modelTags, type DerivedTags } from "./model-tags.ts";
import { MAX_FRONT_MATTER_CHARS, readModelCard, type ModelCard } from "./read-model-card.ts";

export type RepoType = "model" | "dataset";

/** A repository as it lies on disk now: all that can be known without hashing its files. */
export interface Repository extends DerivedTags {
  readonly type: RepoType;
  /** `org/name` */
  readonly id: string;
  /** The Hub's own id of the repository: 24 hex digits that stay when the contents change. */
  readonly internalId: string;
  readonly files: readonly ListedFile[];
  readonly changedAtMs: number;
  readonly card: ModelCard | undefined;
  /** The part of `config.json` that the Hub passes on. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
}

/** `config.json` of a real model has a few KiB; a label map of 21,843 classes takes about 1 MB. */
const MAX_CONFIG_BYTES = 10_000_000;

const configSchema = z.looseObject({
  architectures: z.array(z.string()).nullish(),
  model_type: z.string().nullish(),
});

/** Reads the card and the configuration of a listed folder. Unreadable ones count as absent. */
export async function readRepository(type: RepoType, id: string, folder: ListedFolder): Promise<Repository> {
  const card = readModelCard(await readStart(folder, "README.md", MAX_FRONT_MATTER_CHARS));
  const config = type === "model" ? await readConfig(folder) : undefined;
  const source = { card, config, paths: folder.files.map((file) => file.path) };
  return {
    type,
    id,
    internalId: createHash("sha256").update(`${type}s/${id}`).digest("hex").slice(0, 24),
    files: folder.files,
    changedAtMs: folder.changedAtMs,
    card,
    config,
    ...(type === "model" ? modelTags(source) : datasetTags(source)),
  };
}

async function readStart(folder: ListedFolder, path: string, bytes: number): Promise<string> {
  const file = folder.files.find((candidate) => candidate.path === path);
  if (file === undefined) return "";
  const handle = await open(file.location.path);
  try {
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(Math.min(bytes, file.size)), position: 0 });
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function readConfig(folder: ListedFolder): Promise<Repository["config"]> {
  const file = folder.files.find((candidate) => candidate.path === "config.json");
  if (file === undefined || file.size > MAX_CONFIG_BYTES) return undefined;
  try {
    const config = configSchema.parse(JSON.parse(await readFile(file.location.path, "utf8")));
    return {
      ...(config.architectures && { architectures: config.architectures }),
      ...(typeof config.model_type === "string" && { model_type: config.model_type }),
    };
  } catch {
    return undefined; // not JSON, or of another shape
  }
}
