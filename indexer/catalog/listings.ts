import type { DuckDBConnection } from "@duckdb/node-api";
import { NEW_LISTING, type ListingState } from "../../crawler/listing-state.ts";
import { appendRows } from "./append-rows.ts";
import { readRows } from "./read-rows.ts";

/** Which listing of which hub. */
export interface ListingName {
  readonly hub: string;
  readonly listing: string;
}

/** Where the crawls of this home stand in a listing. */
export async function readListing(connection: DuckDBConnection, { hub, listing }: ListingName): Promise<ListingState> {
  const sql = `SELECT * FROM listings WHERE hub = $hub AND listing = $listing`;
  const [row] = await readRows(connection, sql, { hub, listing });
  if (!row) return NEW_LISTING;
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

/** Keeps where a crawl stands. Run it in the transaction that keeps what its page told. */
export async function putListing(
  connection: DuckDBConnection,
  { hub, listing }: ListingName,
  { watermark, fullAt, pass }: ListingState,
): Promise<void> {
  await readRows(connection, `DELETE FROM listings WHERE hub = $hub AND listing = $listing`, { hub, listing });
  await appendRows(connection, "listings", [
    [
      ...[hub, listing, watermark, fullAt],
      ...[
        pass?.startedAt ?? null,
        pass?.next ?? null,
        pass?.isFull ?? null,
        pass?.newest ?? null,
        pass?.listed ?? null,
      ],
    ],
  ]);
}
