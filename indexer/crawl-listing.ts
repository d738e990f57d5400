import type { HubClient } from "../crawler/hub/hub-client.ts";
import { HubError } from "../crawler/hub/hub-error.ts";
import { fetchListPage, listingKey, type Listing, type ListPage } from "../crawler/list-page.ts";
import type { ListedModel } from "../crawler/listed-model.ts";
import { afterPage, beginPass, type ListingPass, type ListingState } from "../crawler/listing-state.ts";
import type { CatalogWriter } from "./catalog/catalog-writer.ts";
import type { ListedPage } from "./catalog/records.ts";

/** What a page's models mean to the catalog. */
export type PageChange = Pick<ListedPage, "touched" | "changed">;

/** The first page of a pass, of which the catalog does not know yet, sorted. */
export interface FirstPage {
  readonly pass: ListingPass;
  readonly page: ListPage;
  readonly change: PageChange;
}

/** Where listings come from. */
export interface ListingSource {
  readonly client: HubClient;
  /** The hub's name in the catalog: its address. */
  readonly hub: string;
  readonly pageSize?: number | undefined;
  readonly signal: AbortSignal;
}

export interface CrawlListingOptions extends ListingSource {
  readonly catalog: CatalogWriter;
  readonly listing: Listing;
  readonly scope: string;
  /** Go on to the listing's end. */
  readonly isFull: boolean;
  /** What has been seen of the listing already, to begin with. */
  readonly first?: FirstPage | undefined;
  /** Sorts a page's models into known and new ones. */
  readonly onPage: (models: readonly ListedModel[]) => Promise<PageChange>;
  /** Works on the new and changed models that a page brought. @returns whether to go on to the next page */
  readonly afterPage: () => Promise<boolean>;
}

/**
 * Reads a listing page by page down to what the last complete pass saw, one request a page, and keeps after each page
 * what it told and where the next one is. A pass that was stopped goes on where it was; then what has changed since it
 * began is read from the top.
 * @returns where it ended when the listing was read as far as it had to be, else null
 */
export async function crawlListing(options: CrawlListingOptions): Promise<ListingState | null> {
  const { catalog, signal, scope } = options;
  const name = { hub: options.hub, listing: listingKey(options.listing) };
  let state = await catalog.listing(name);
  let first = options.first;
  for (let isResumed = state.pass !== null; ; isResumed = false) {
    let pass = first?.pass ?? state.pass ?? beginPass(state, catalog.now(), options.isFull);
    for (;;) {
      signal.throwIfAborted();
      const page = first?.page ?? (await nextPage(options, pass.next));
      if (page === null) {
        pass = beginPass(state, catalog.now(), options.isFull);
        continue;
      }
      const change = first?.change ?? (await options.onPage(page.models));
      first = undefined;
      state = afterPage(state, pass, page);
      await catalog.takePages([{ scope, ...change, name, state }]);
      const goesOn = change.changed.length === 0 || (await options.afterPage());
      if (state.pass === null) break;
      if (!goesOn) return null;
      pass = state.pass;
    }
    if (!isResumed) return state;
  }
}

/** @returns null when the hub no longer knows where an earlier crawl stopped: then the listing begins anew */
async function nextPage(options: CrawlListingOptions, next: string | null): Promise<ListPage | null> {
  try {
    return await fetchPage(options, next);
  } catch (cause) {
    if (next !== null && cause instanceof HubError && [400, 404, 410, 422].includes(cause.status)) return null;
    throw cause;
  }
}

/** A page of a listing: the first one where `next` is null. One request. */
export function fetchPage(
  { client, listing, pageSize, signal }: ListingSource & Pick<CrawlListingOptions, "listing">,
  next: string | null,
): Promise<ListPage> {
  return fetchListPage(client, listing, { next, pageSize, signal });
}
