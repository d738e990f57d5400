import { InputError } from "./errors.ts";
import { isModelId } from "./families.ts";
import { fetchJson } from "./hub/fetch-json.ts";
import type { HubClient } from "./hub/hub-client.ts";
import { HubError } from "./hub/hub-error.ts";
import { LISTED_FIELDS, parseListedEntry, type FoundBy, type ListedModel } from "./listed-model.ts";

/** A model's entry has some kB; tags are the largest part. */
const MAX_BYTES = 10_000_000;

/**
 * One model by its id.
 * @throws InputError when the hub has no such model
 */
export async function findModel(client: HubClient, id: string, foundBy: FoundBy = "id"): Promise<ListedModel> {
  if (!isModelId(id)) throw new InputError(`${JSON.stringify(id)} is not a model id (org/name)`);
  const found = await lookUpModel(client, id, foundBy);
  if (found) return found;
  throw new InputError(
    `the hub ${client.url} has no model ${id} (or it is private and the token gives no access to it)`,
  );
}

/**
 * One model by its id, under the name that it has now.
 * @returns null when the hub shows no such model
 */
export async function lookUpModel(
  client: HubClient,
  id: string,
  foundBy: FoundBy = "id",
  signal?: AbortSignal,
): Promise<ListedModel | null> {
  const query = new URLSearchParams(LISTED_FIELDS.map((field): [string, string] => ["expand", field]));
  try {
    const { json } = await fetchJson(client, `${client.url}/api/models/${id}?${query}`, {
      maxBytes: MAX_BYTES,
      signal,
    });
    const entry = parseListedEntry(json, foundBy);
    if (!entry) throw new HubError(`the hub names no commit of ${id}`, 200, "");
    return entry.model;
  } catch (cause) {
    if (cause instanceof HubError && (cause.isRepositoryMissing || cause.status === 404)) return null;
    throw cause;
  }
}
