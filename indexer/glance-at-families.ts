import type { Family } from "../crawler/families.ts";
import { listingKey, type Listing } from "../crawler/list-page.ts";
import type { ListedModel } from "../crawler/listed-model.ts";
import { afterPage, beginPass, type ListingState } from "../crawler/listing-state.ts";
import type { CatalogWriter } from "./catalog/catalog-writer.ts";
import type { KnownModel } from "./catalog/known-models.ts";
import type { ListedPage } from "./catalog/records.ts";
import { fetchPage, type FirstPage, type ListingSource, type PageChange } from "./crawl-listing.ts";

/** Families that are looked at together at most. */
const FAMILIES_TOGETHER = 64;
/** No further family is looked at once so many models of listings are held: some 4 MB. */
const MODELS_TOGETHER = 4000;

/** What the first pages of a family's listings told. */
export interface Glance {
  /** Where listings ended of which the first page was all, by their keys; the catalog has what they told. */
  readonly ended: ReadonlyMap<string, ListingState>;
  /** First pages of the other listings, which the catalog does not have yet. */
  readonly begun: ReadonlyMap<string, FirstPage>;
  /** Nothing is to be read, and nothing has gone. */
  readonly isQuiet: boolean;
}

export interface GlanceOptions extends ListingSource {
  readonly catalog: CatalogWriter;
  /** Go on to the listings' ends. */
  readonly isFull: boolean;
  readonly listingsOf: (base: string) => readonly Listing[];
  readonly known: (modelIds: readonly string[]) => Promise<ReadonlyMap<string, KnownModel>>;
  /** Puts into the frontier what crawls of these families have left undone. */
  readonly revisit: (scopes: readonly string[]) => Promise<void>;
  /** Sorts a page's models into known and new ones. */
  readonly sort: (
    models: readonly ListedModel[],
    known: ReadonlyMap<string, KnownModel>,
    scope: string,
  ) => Promise<PageChange>;
}

/**
 * Looks at the listings of several families at once, one request a listing, as crawling one after the other would make
 * too. What asks something of the catalog asks it for all of them: a question takes as long as the catalog is large,
 * and on most nights most families have nothing new. Only families whose listings were read completely before.
 * @returns how many of the families were looked at (at least one), and what was seen of them, by base
 */
export async function glanceAtFamilies(
  families: readonly Family[],
  options: GlanceOptions,
): Promise<{ readonly count: number; readonly glances: ReadonlyMap<string, Glance> }> {
  const asked = [...new Set(families.slice(0, FAMILIES_TOGETHER).map(({ base }) => base))];
  const visited = await findVisited(asked, options);
  if (visited.size > 0) await options.revisit([...visited.keys()]);
  const first: FirstOfListing[] = [];
  let [count, models] = [0, 0];
  for (const { base } of families.slice(0, FAMILIES_TOGETHER)) {
    if (models >= MODELS_TOGETHER) break;
    count++;
    for (const [listing, state] of visited.get(base) ?? []) {
      options.signal.throwIfAborted();
      const pass = beginPass(state, options.catalog.now(), options.isFull);
      const page = await fetchPage({ ...options, listing }, null);
      first.push({ scope: base, key: listingKey(listing), pass, page, state: afterPage(state, pass, page) });
      models += page.models.length;
    }
    visited.delete(base); // named twice, it is looked at once
  }
  return { count, glances: await takeFirst(first, options) };
}

type FirstOfListing = Omit<FirstPage, "change"> & {
  readonly scope: string;
  readonly key: string;
  /** After the page. */
  readonly state: ListingState;
};

/** Families of which the base is known and no listing is new or was left in the middle: their listings' states. */
async function findVisited(
  bases: readonly string[],
  { catalog, hub, known: findKnown, listingsOf }: GlanceOptions,
): Promise<Map<string, (readonly [Listing, ListingState])[]>> {
  const known = await findKnown(bases);
  const states = await catalog.listings(
    hub,
    bases.flatMap((base) => listingsOf(base).map(listingKey)),
  );
  const visited = new Map<string, (readonly [Listing, ListingState])[]>();
  for (const base of bases) {
    const listings = listingsOf(base).flatMap((listing) => {
      const state = states.get(listingKey(listing));
      return state && state.watermark !== null && state.pass === null ? [[listing, state] as const] : [];
    });
    if (known.get(base)?.family === base && listings.length === listingsOf(base).length) visited.set(base, listings);
  }
  return visited;
}

/** Keeps what the pages told of listings that end with them, in one step, and finds the families with nothing to do. */
async function takeFirst(first: readonly FirstOfListing[], options: GlanceOptions): Promise<Map<string, Glance>> {
  if (first.length === 0) return new Map();
  const { catalog, hub } = options;
  const known = await options.known(first.flatMap(({ page }) => page.models.map(({ id }) => id)));
  const taken: ListedPage[] = [];
  const glances = new Map<
    string,
    { ended: Map<string, ListingState>; begun: Map<string, FirstPage>; isQuiet: boolean }
  >();
  for (const { scope, key, pass, page, state } of first) {
    const glance = glances.get(scope) ?? { ended: new Map(), begun: new Map(), isQuiet: false };
    glances.set(scope, glance);
    const change = await options.sort(page.models, known, scope);
    if (state.pass !== null) glance.begun.set(key, { pass, page, change });
    else {
      glance.ended.set(key, state);
      taken.push({ scope, ...change, name: { hub, listing: key }, state });
    }
  }
  await catalog.takePages(taken);
  const ended = [...glances].filter(([, { begun }]) => begun.size === 0);
  const busy = await catalog.busyScopes(
    ended.map(([scope, glance]) => ({ scope, since: sinceOf([...glance.ended.values()]) })),
  );
  for (const [scope, glance] of ended) glance.isQuiet = !busy.has(scope);
  return glances;
}

/** When the listings began that went to their end: what none has shown since may have gone. Null before that. */
export function sinceOf(ends: readonly ListingState[]): string | null {
  const [since = ""] = ends.map(({ fullAt }) => fullAt ?? "").sort();
  return since === "" ? null : since;
}
