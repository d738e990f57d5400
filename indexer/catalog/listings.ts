import type { DuckDBConnection } from "@duckdb/node-api";
import { NEW_LISTING, type ListingState } from "../../crawler/listing-state.ts";
import { appendRows } from "./append-rows.ts";
import { readRows, type Row } from "./read-rows.ts";

/** Which listing of which hub. */
export interface ListingName {
  readonly hub: string;
  readonly listing: string;
}

/** Where the crawls of this home stand in listings of a hub, by the listings' keys. */
export async function readListings(
  connection: DuckDBConnection,
  hub: string,
  listings: readonly string[],
): Promise<Map<string, ListingState>> {
  const sql = `SELECT * FROM listings WHERE hub = $hub AND listing IN (SELECT unnest($listings))`;
  const rows = await readRows(connection, sql, { hub, listings });
  const states = new Map(rows.map((row) => [row.text("listing"), parseListing(row)]));
  return new Map(listings.map((listing) => [listing, states.get(listing) ?? NEW_LISTING]));
}

function parseListing(row: Row): ListingState {
  const startedAt = row.maybeTime("pass_started_at");
  return {
    watermark: row.maybeTime("watermark"),
    fullAt: row.maybeTime("full_at"),
    pass:
      startedAt === null
        ? null
        : {
            startedAt,
            next: row.maybeText("pass_next"),
            isFull: row.boolean("pass_is_full"),
            newest: row.maybeTime("pass_newest"),
            listed: row.number("pass_listed"),
          },
  };
}

/** Keeps where a crawl stands in listings, each named once. Run it in the transaction that keeps what their pages told. */
export async function putListings(
  connection: DuckDBConnection,
  listings: readonly { readonly name: ListingName; readonly state: ListingState }[],
): Promise<void> {
  await readRows(connection, `DELETE FROM listings WHERE (hub, listing) IN (SELECT unnest($hubs), unnest($listings))`, {
    hubs: listings.map(({ name }) => name.hub),
    listings: listings.map(({ name }) => name.listing),
  });
  await appendRows(
    connection,
    "listings",
    listings.map(({ name: { hub, listing }, state: { watermark, fullAt, pass } }) => [
      ...[hub, listing, watermark, fullAt, pass?.startedAt ?? null, pass?.next ?? null],
      ...[pass?.isFull ?? null, pass?.newest ?? null, pass?.listed ?? null],
    ]),
  );
}
