import type { ListPage } from "./list-page.ts";

/** Where a crawl stands in a listing; kept after each page. Times are ISO 8601. */
export interface ListingState {
  /** The latest modification that the last complete pass saw: what is older has been seen. Null before the first. */
  readonly watermark: string | null;
  /** When the last pass began that went on to the listing's end. */
  readonly fullAt: string | null;
  /** The pass that has begun and not ended. */
  readonly pass: ListingPass | null;
}

export interface ListingPass {
  readonly startedAt: string;
  /** The question for the next page; null for the first. */
  readonly next: string | null;
  /** Goes on to the listing's end, whatever the watermark. */
  readonly isFull: boolean;
  /** The latest modification seen so far: the next watermark. */
  readonly newest: string | null;
  /** Entries on its pages so far. */
  readonly listed: number;
}

export const NEW_LISTING: ListingState = { watermark: null, fullAt: null, pass: null };

/** A listing by modification does not show what has left it, so now and then it is read to its end. */
export const FULL_EVERY_MS = 7 * 24 * 3600_000;
/** The hub's index lags behind its repositories: entries that are so little older than the watermark are looked at again. */
export const WATERMARK_SLACK_MS = 10 * 60_000;

/** Begins a pass from the first page. */
export function beginPass({ watermark, fullAt }: ListingState, now: Date, forceFull: boolean): ListingPass {
  const isDue = fullAt === null || now.getTime() - Date.parse(fullAt) >= FULL_EVERY_MS;
  const isFull = forceFull || watermark === null || isDue;
  return { startedAt: now.toISOString(), next: null, isFull, newest: null, listed: 0 };
}

/** The state after a page: one page further, or with the pass complete. */
export function afterPage(state: ListingState, pass: ListingPass, page: ListPage): ListingState {
  const newest = later(pass.newest, page.newest);
  const isEnd = page.next === null;
  if (isEnd || (!pass.isFull && reachesKnown(page, state.watermark))) {
    return {
      watermark: later(state.watermark, newest),
      fullAt: isEnd ? pass.startedAt : state.fullAt,
      pass: null,
    };
  }
  return { ...state, pass: { ...pass, next: page.next, newest, listed: pass.listed + page.entries } };
}

/** Whether all that follows the page was seen by an earlier pass. A hub that does not sort is read to its end. */
function reachesKnown({ oldest, isSorted }: ListPage, watermark: string | null): boolean {
  if (oldest === null || watermark === null || !isSorted) return false;
  return Date.parse(oldest) < Date.parse(watermark) - WATERMARK_SLACK_MS;
}

const later = (a: string | null, b: string | null): string | null => (a === null || (b !== null && b > a) ? b : a);
