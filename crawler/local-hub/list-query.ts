import { badRequest } from "./hub-error.ts";
import { readExpand, readFlag, readLimit } from "./query-values.ts";
import type { RepoType } from "./repository.ts";

const SORTS = ["id", "downloads", "likes", "likes30d", "trendingScore", "lastModified", "createdAt"] as const;

export type SortKey = (typeof SORTS)[number];

/** Where a page begins: after the repository with this sort value and id, whether or not it still exists. */
export interface ListCursor {
  readonly value: string | number;
  readonly id: string;
}

/** A question for `/api/models` or `/api/datasets`, checked. */
export interface ListQuery {
  readonly search: readonly string[];
  readonly author: string | undefined;
  /** All of them must be tags of the repository. */
  readonly filters: readonly string[];
  readonly pipelineTag: string | undefined;
  readonly gated: boolean | undefined;
  readonly sort: SortKey;
  readonly isAscending: boolean;
  readonly limit: number;
  readonly cursor: ListCursor | undefined;
  readonly full: boolean;
  readonly config: boolean;
  readonly cardData: boolean;
  /** Undefined if the caller did not choose fields. */
  readonly expand: readonly string[] | undefined;
}

/** Reads the query of a list. Throws 400 for values that the Hub refuses; names that it does not know are ignored. */
export function parseListQuery(params: URLSearchParams, type: RepoType): ListQuery {
  const filters = [...params.getAll("filter"), ...params.getAll("library")].flatMap((value) => value.split(","));
  const sortName = params.get("sort") ?? "trendingScore";
  const sort = SORTS.find((name) => name === sortName);
  if (sort === undefined) throw badRequest(`Invalid sort parameter "${sortName}", expected one of ${SORTS.join(", ")}`);
  const direction = params.get("direction") ?? (sort === "id" ? "1" : "-1");
  if (direction !== "1" && direction !== "-1") throw badRequest('Invalid direction parameter, expected "-1" or "1"');
  return {
    search: params.getAll("search").map((text) => text.toLowerCase()),
    author: params.get("author") ?? undefined,
    filters: filters.filter((tag) => tag !== ""),
    pipelineTag: params.get("pipeline_tag") ?? undefined,
    gated: readFlag(params, "gated"),
    sort,
    isAscending: direction === "1",
    limit: readLimit(params),
    cursor: readCursor(params.get("cursor")),
    full: readFlag(params, "full") ?? false,
    config: readFlag(params, "config") ?? false,
    cardData: readFlag(params, "cardData") ?? false,
    expand: readExpand(params, type),
  };
}

/** An opaque text for a place in a list. */
export const writeCursor = ({ value, id }: ListCursor): string =>
  Buffer.from(JSON.stringify([value, id])).toString("base64url");

function readCursor(text: string | null): ListCursor | undefined {
  if (text === null) return undefined;
  try {
    const parsed: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    const [value, id]: unknown[] = Array.isArray(parsed) ? parsed : [];
    if ((typeof value === "string" || typeof value === "number") && typeof id === "string") return { value, id };
  } catch {
    // said below
  }
  throw badRequest("Invalid cursor");
}
