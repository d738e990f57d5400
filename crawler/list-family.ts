import { listModels, modelInfo } from "@huggingface/hub";
import { InputError } from "./errors.ts";
import { isModelId, shortName } from "./families.ts";
import type { HubClient } from "./hub/hub-client.ts";
import { HubError } from "./hub/hub-error.ts";

/** What a listing tells of a model; nothing of it has been checked against its files. */
export interface ListedModel {
  readonly id: string;
  /** The commit that `main` is at. */
  readonly revision: string;
  readonly lastModified: string;
  readonly createdAt: string | null;
  readonly downloads: number;
  readonly likes: number;
  readonly gated: "auto" | "manual" | null;
  readonly pipelineTag: string | null;
  readonly library: string | null;
  readonly license: string | null;
  /** The model that the card says this one was fine-tuned from. */
  readonly baseModel: string | null;
  /** `name`: only its name says that it belongs here, so its configuration and shapes have to. */
  readonly foundBy: "base" | "tag" | "name" | "id";
}

const FIELDS = ["sha", "tags", "library_name", "createdAt"] as const;
const COMMIT = /^[0-9a-f]{40}$/;
const FINETUNE = "base_model:finetune:";

/**
 * The models of a family: the base, its fine-tunes by the hub's tag, and by name those whose card names no base.
 * Fine-tunes of fine-tunes are found by name. One listing by tag, one by name; each model once.
 * @throws InputError when the hub has no such base model
 */
export async function* listFamily(client: HubClient, base: string, signal?: AbortSignal): AsyncGenerator<ListedModel> {
  yield await findModel(client, base, "base");
  const members = new Set([base]);
  for await (const model of listing(client, { tags: [FINETUNE + base] }, "tag", signal)) {
    if (members.has(model.id)) continue;
    members.add(model.id);
    yield model;
  }
  const byName: ListedModel[] = [];
  for await (const model of listing(client, { query: shortName(base) }, "name", signal)) {
    if (!members.has(model.id)) byName.push(model);
  }
  // a fine-tune of a fine-tune belongs to the family; one of another base that is only named alike does not
  for (let found = true; found;) {
    found = false;
    for (const model of byName) {
      const belongs = model.baseModel === null ? !members.has(model.id) : members.has(model.baseModel);
      if (!belongs || members.has(model.id)) continue;
      members.add(model.id);
      found = true;
      yield model.baseModel === null ? model : { ...model, foundBy: "tag" };
    }
  }
}

/**
 * One model by its id.
 * @throws InputError when the hub has no such model
 */
export async function findModel(
  client: HubClient,
  id: string,
  foundBy: ListedModel["foundBy"] = "id",
): Promise<ListedModel> {
  if (!isModelId(id)) throw new InputError(`${JSON.stringify(id)} is not a model id (org/name)`);
  try {
    const info = await modelInfo({ name: id, hubUrl: client.url, fetch: client.fetch, additionalFields: [...FIELDS] });
    return toListedModel(info, foundBy);
  } catch (cause) {
    const status = cause instanceof Error && "statusCode" in cause ? cause.statusCode : undefined;
    if (status !== 404 && status !== 401) throw cause;
    throw new InputError(
      `the hub ${client.url} has no model ${id} (or it is private and the token gives no access to it)`,
      { cause },
    );
  }
}

async function* listing(
  client: HubClient,
  search: { readonly tags?: string[]; readonly query?: string },
  foundBy: ListedModel["foundBy"],
  signal?: AbortSignal,
): AsyncGenerator<ListedModel> {
  const entries = listModels({
    search,
    sort: "lastModified",
    additionalFields: [...FIELDS],
    hubUrl: client.url,
    fetch: client.fetch,
  });
  for await (const entry of entries) {
    signal?.throwIfAborted();
    if (isModelId(entry.name) && COMMIT.test(String(entry.sha))) yield toListedModel(entry, foundBy);
  }
}

interface Entry {
  readonly name: string;
  readonly sha?: string;
  readonly tags?: string[];
  readonly library_name?: string;
  readonly createdAt?: string;
  readonly updatedAt: Date;
  readonly downloads: number;
  readonly likes: number;
  readonly gated: false | "auto" | "manual";
  readonly task?: string;
}

function toListedModel(entry: Entry, foundBy: ListedModel["foundBy"]): ListedModel {
  if (!COMMIT.test(String(entry.sha))) throw new HubError(`the hub names no commit of ${entry.name}`, 200, "");
  const tags = Array.isArray(entry.tags) ? entry.tags.filter((tag) => typeof tag === "string") : [];
  const tagged = (prefix: string) => tags.find((tag) => tag.startsWith(prefix))?.slice(prefix.length) ?? null;
  const baseModel = tagged(FINETUNE) ?? tagged("base_model:")?.replace(/^\w+:/, "") ?? null;
  return {
    id: entry.name,
    revision: String(entry.sha),
    lastModified: entry.updatedAt.toISOString(),
    createdAt: entry.createdAt ?? null,
    downloads: entry.downloads,
    likes: entry.likes,
    gated: entry.gated === "auto" || entry.gated === "manual" ? entry.gated : null,
    pipelineTag: entry.task ?? null,
    library: entry.library_name ?? null,
    license: tagged("license:"),
    baseModel: baseModel !== null && isModelId(baseModel) ? baseModel : null,
    foundBy,
  };
}
