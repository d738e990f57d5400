import type { ListCursor, ListQuery, SortKey } from "./list-query.ts";
import type { RepositoryFacts } from "./repository-facts.ts";

export interface Page<T> {
  readonly items: readonly T[];
  /** Where the next page begins; undefined after the last. */
  readonly next: ListCursor | undefined;
}

/**
 * Picks one page. It begins after a place in the order, not after a count, so repositories that come and go meanwhile
 * make no other one appear twice or not at all.
 */
export function listPage(all: readonly RepositoryFacts[], query: ListQuery): Page<RepositoryFacts> {
  const sign = query.isAscending ? 1 : -1;
  const compare = (a: ListCursor, b: ListCursor) => sign * compareValues(a.value, b.value) || compareValues(a.id, b.id);
  const { cursor } = query;
  const left = all
    .filter((facts) => isMatch(facts, query))
    .map((facts) => ({ facts, value: sortValue(facts, query.sort), id: facts.repository.id }))
    .filter((place) => cursor === undefined || compare(place, cursor) > 0)
    .sort(compare);
  const page = left.slice(0, query.limit);
  const last = page.at(-1);
  return {
    items: page.map(({ facts }) => facts),
    next: last !== undefined && left.length > page.length ? { value: last.value, id: last.id } : undefined,
  };
}

function isMatch({ repository, author, tags, gated }: RepositoryFacts, query: ListQuery): boolean {
  return (
    query.search.every((text) => repository.id.toLowerCase().includes(text)) &&
    (query.author ?? author) === author &&
    (query.pipelineTag === undefined || query.pipelineTag === repository.pipelineTag) &&
    (query.gated === undefined || query.gated === (gated !== false)) &&
    query.filters.every((tag) => tags.includes(tag))
  );
}

function sortValue(facts: RepositoryFacts, key: SortKey): string | number {
  switch (key) {
    case "id":
      return facts.repository.id;
    case "downloads":
      return facts.downloads;
    case "likes":
    case "likes30d":
      return facts.likes;
    case "trendingScore":
      return 0; // nothing trends on a local hub: by id
    case "lastModified":
      return facts.lastModified;
    case "createdAt":
      return facts.createdAt;
  }
}

function compareValues(a: string | number, b: string | number): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
