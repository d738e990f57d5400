import { z } from "zod";
import { isModelId } from "./families.ts";

/** What a listing tells of a model; nothing of it has been checked against its files. */
export interface ListedModel {
  readonly id: string;
  /** The commit that `main` is at. */
  readonly revision: string;
  readonly lastModified: string | null;
  readonly createdAt: string | null;
  readonly downloads: number;
  readonly likes: number;
  readonly gated: "auto" | "manual" | null;
  readonly pipelineTag: string | null;
  readonly library: string | null;
  readonly license: string | null;
  /** The model that the card says this one was fine-tuned from. */
  readonly baseModel: string | null;
  readonly foundBy: FoundBy;
}

/** `name`: only its name says that it belongs here, so its configuration and shapes have to. */
export type FoundBy = "base" | "tag" | "name" | "id" | "all";

/** An entry of the hub's JSON: the model, and all the bases that its tags name. */
export interface ListedEntry {
  readonly model: ListedModel;
  readonly fineTuneOf: readonly string[];
}

/** The fields that a question to the hub asks for by `expand`. */
export const LISTED_FIELDS: readonly string[] =
  "sha lastModified createdAt downloads likes gated pipeline_tag library_name tags".split(" ");

const FINETUNE = "base_model:finetune:";
/** Longer words are no task, library or licence. */
const word = z.string().max(200).nullable().catch(null);
const count = z.int().nonnegative().catch(0);
const time = z
  .string()
  .transform((text) => new Date(text))
  .refine((date) => !Number.isNaN(date.getTime()))
  .transform((date) => date.toISOString())
  .nullable()
  .catch(null);

const entrySchema = z.object({
  id: z.string().refine(isModelId),
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  lastModified: time,
  createdAt: time,
  downloads: count,
  likes: count,
  gated: z.enum(["auto", "manual"]).nullable().catch(null),
  pipeline_tag: word,
  library_name: word,
  tags: z.array(z.string()).catch([]),
});

/** Reads an entry of the hub's JSON; null when it is no model at a commit. */
export function parseListedEntry(json: unknown, foundBy: FoundBy): ListedEntry | null {
  const parsed = entrySchema.safeParse(json);
  if (!parsed.success) return null;
  const { id, sha, tags, ...facts } = parsed.data;
  const tagged = (prefix: string) =>
    tags.filter((tag) => tag.startsWith(prefix)).map((tag) => tag.slice(prefix.length));
  const fineTuneOf = tagged(FINETUNE).filter(isModelId);
  const baseModel = fineTuneOf[0] ?? tagged("base_model:")[0]?.replace(/^\w+:/, "") ?? null;
  const [license = null] = tagged("license:");
  const model: ListedModel = {
    id,
    revision: sha,
    lastModified: facts.lastModified,
    createdAt: facts.createdAt,
    downloads: facts.downloads,
    likes: facts.likes,
    gated: facts.gated,
    pipelineTag: facts.pipeline_tag,
    library: facts.library_name,
    license: word.parse(license),
    baseModel: baseModel !== null && isModelId(baseModel) ? baseModel : null,
    foundBy,
  };
  return { model, fineTuneOf };
}
