import { HubLimitError } from "../crawler/hub/hub-error.ts";
import { listingKey, type Listing } from "../crawler/list-page.ts";
import type { CatalogWriter } from "./catalog/catalog-writer.ts";

export interface WhereItStopped {
  readonly catalog: CatalogWriter;
  /** The hub's name in the catalog. */
  readonly hub: string;
  readonly listings: readonly Listing[];
  /** Models that are listed and not read yet. */
  readonly waiting: number;
}

/** The error of a limit that ended a crawl, with the place where the next one goes on. */
export async function sayWhereItGoesOn(
  error: HubLimitError,
  { catalog, hub, listings, waiting }: WhereItStopped,
): Promise<HubLimitError> {
  const places: string[] = [];
  for (const listing of listings) {
    const { pass } = await catalog.listing({ hub, listing: listingKey(listing) });
    if (pass) places.push(`the listing "${listingKey(listing)}" after its first ${pass.listed} entries`);
  }
  if (waiting > 0) places.push(`${waiting} models that are listed and not read yet`);
  const where = places.length > 0 ? ` with ${places.join(" and ")}` : "";
  const message = `${error.message}. What was read is kept: run the same command after that, and it goes on${where}`;
  return new HubLimitError(message, error.bucket, error.resetsAt, { cause: error });
}
