import { shortName } from "./families.ts";
import { fetchJson } from "./hub/fetch-json.ts";
import type { HubClient } from "./hub/hub-client.ts";
import { HubError } from "./hub/hub-error.ts";
import { nextQuestion } from "./hub/next-link.ts";
import { LISTED_FIELDS, parseListedEntry, type ListedModel } from "./listed-model.ts";

/**
 * A listing of the hub, latest modification first: the fine-tunes of a base by the hub's tag, the models that are named
 * like it but not tagged so, or all models.
 */
export type Listing =
  | { readonly kind: "tag"; readonly base: string }
  | { readonly kind: "name"; readonly base: string }
  | { readonly kind: "all" };

/** A listing's name in the catalog. */
export const listingKey = (listing: Listing): string =>
  listing.kind === "all" ? "all" : `${listing.kind} ${listing.base}`;

export interface ListPage {
  readonly models: readonly ListedModel[];
  /** Entries on the page, those included that are no models of the listing. */
  readonly entries: number;
  /** The question for the next page; null after the last. */
  readonly next: string | null;
  /** The latest and the earliest modification on the page; null where the hub tells none. */
  readonly newest: string | null;
  readonly oldest: string | null;
  /** Whether the page is in the order that was asked for. */
  readonly isSorted: boolean;
}

/** As many as the hub's own JavaScript client asks for. */
export const PAGE_SIZE = 500;
/** 500 entries have some 2 MB. */
const MAX_PAGE_BYTES = 64_000_000;

/**
 * One page of a listing: one request.
 * @param options.next the question that an earlier page gave; without it, the first page
 */
export async function fetchListPage(
  client: HubClient,
  listing: Listing,
  options: { readonly next: string | null; readonly pageSize?: number | undefined; readonly signal?: AbortSignal },
): Promise<ListPage> {
  const question = options.next ?? firstQuestion(listing, options.pageSize ?? PAGE_SIZE);
  const url = `${client.url}/api/models${question}`;
  const { json, headers } = await fetchJson(client, url, { maxBytes: MAX_PAGE_BYTES, signal: options.signal });
  if (!Array.isArray(json)) throw new HubError(`${client.url}/api/models: the listing is no list`, 200, "");
  const next = nextQuestion(headers, url);
  if (next !== null && next === options.next) {
    throw new HubError(`${client.url}/api/models: the listing's next page is the page itself`, 200, "");
  }
  const entries = json.map((entry) => parseListedEntry(entry, listing.kind)).filter((entry) => entry !== null);
  const times = entries.map(({ model }) => model.lastModified).filter((time) => time !== null);
  return {
    models: entries
      .filter(({ fineTuneOf }) => listing.kind !== "name" || !fineTuneOf.includes(listing.base))
      .map(({ model }) =>
        listing.kind === "name" && model.id === listing.base ? { ...model, foundBy: "base" } : model,
      ),
    entries: json.length,
    next,
    newest: times.reduce<string | null>((a, b) => (a === null || b > a ? b : a), null),
    oldest: times.reduce<string | null>((a, b) => (a === null || b < a ? b : a), null),
    isSorted: times.every((time, index) => index === 0 || time <= (times[index - 1] ?? "")),
  };
}

function firstQuestion(listing: Listing, pageSize: number): string {
  const query = new URLSearchParams({ limit: String(pageSize), sort: "lastModified" });
  if (listing.kind === "tag") query.set("filter", `base_model:finetune:${listing.base}`);
  if (listing.kind === "name") query.set("search", shortName(listing.base));
  for (const field of LISTED_FIELDS) query.append("expand", field);
  return `?${query}`;
}
