import { expect, it } from "vitest";
import { listPage } from "./list-page.ts";
import { parseListQuery, writeCursor } from "./list-query.ts";
import type { RepositoryFacts } from "./repository-facts.ts";

function facts(id: string, downloads: number): RepositoryFacts {
  const repository = {
    type: "model" as const,
    id,
    internalId: id,
    files: [],
    changedAtMs: 0,
    card: undefined,
    config: undefined,
    tags: ["a"],
    libraryName: undefined,
    pipelineTag: undefined,
  };
  const dates = { createdAt: "2024-01-01T00:00:00.000Z", lastModified: "2024-01-01T00:00:00.000Z" };
  return { repository, author: "org", tags: ["a"], private: false, gated: false, downloads, likes: 0, ...dates };
}

/** The ids of all pages, where `change` may alter the hub after each page. */
function walk(all: readonly RepositoryFacts[], text: string, change = (x: readonly RepositoryFacts[]) => x): string[] {
  const ids: string[] = [];
  const params = new URLSearchParams(text);
  for (;;) {
    const { items, next } = listPage(all, parseListQuery(params, "model"));
    ids.push(...items.map(({ repository }) => repository.id));
    if (next === undefined) return ids;
    params.set("cursor", writeCursor(next));
    all = change(all);
  }
}

const some = [facts("org/a", 1), facts("org/b", 3), facts("org/c", 3), facts("org/d", 2)];

it("sorts the largest first, equal ones by id", () => {
  expect(walk(some, "sort=downloads&limit=1")).toEqual(["org/b", "org/c", "org/d", "org/a"]);
  expect(walk(some, "sort=downloads&direction=1")).toEqual(["org/a", "org/d", "org/b", "org/c"]);
  expect(walk(some, "limit=3")).toEqual(["org/a", "org/b", "org/c", "org/d"]);
});

it("neither repeats nor misses a model while others come and go", () => {
  const without = (id: string) => (all: readonly RepositoryFacts[]) => all.filter((f) => f.repository.id !== id);
  expect(walk(some, "sort=downloads&limit=1", without("org/b"))).toEqual(["org/b", "org/c", "org/d", "org/a"]);
  const withNew = (all: readonly RepositoryFacts[]) => [facts("org/new", 99), ...all];
  expect(walk(some, "sort=downloads&limit=2", withNew)).toEqual(["org/b", "org/c", "org/d", "org/a"]);
});

it.each(["limit=0", "limit=-1", "limit=1e3", "sort=size", "direction=up", "gated=maybe", "expand=all", "cursor=e30"])(
  "refuses %s",
  (query) => {
    expect(() => parseListQuery(new URLSearchParams(query), "model")).toThrow(expect.objectContaining({ status: 400 }));
  },
);
