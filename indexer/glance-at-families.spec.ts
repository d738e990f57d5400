import { afterEach, describe, expect, it } from "vitest";
import type { HubClient } from "../crawler/hub/hub-client.ts";
import { listingKey, type Listing } from "../crawler/list-page.ts";
import { makeHome } from "../test/catalog/make-home.ts";
import { sampleModel } from "../test/catalog/sample-models.ts";
import { openCatalogWriter, type CatalogWriter } from "./catalog/catalog-writer.ts";
import { glanceAtFamilies, type GlanceOptions } from "./glance-at-families.ts";
import { touchOf } from "./model-records.ts";

const HUB = "http://hub";
const OLD = "2026-01-01T00:00:00.000Z";
const NOW = new Date("2026-03-01T00:00:00.000Z");
const revision = (digit: number) => String(digit).repeat(40);
const family = (base: string) => ({ name: base, base, task: "", architecture: "" });
const listingsOf = (base: string): Listing[] => [
  { kind: "tag", base },
  { kind: "name", base },
];

interface Listed {
  readonly id: string;
  readonly sha: string;
}

const open: CatalogWriter[] = [];
afterEach(async () => {
  for (const catalog of open.splice(0)) await catalog.close();
});

/** A catalog that has crawled families of a base and a fine-tune each, and a hub whose listings by tag are given. */
async function setUp(
  bases: readonly string[],
  tagged: (base: string) => readonly Listed[],
  next: readonly string[] = [],
) {
  let now = new Date(OLD);
  const catalog = await openCatalogWriter(await makeHome(), () => now);
  open.push(catalog);
  for (const base of bases) {
    for (const id of [base, `${base}-tuned`]) {
      await catalog.putModel(sampleModel(id, [], { revision: revision(1), family: base, status: "metadata" }));
    }
    for (const listing of listingsOf(base)) {
      const name = { hub: HUB, listing: listingKey(listing) };
      const state = { watermark: OLD, fullAt: OLD, pass: null };
      await catalog.takePages([{ scope: base, touched: [], changed: [], name, state }]);
    }
  }
  now = NOW;
  const asked: string[] = [];
  const request = (url: string) => {
    asked.push(url);
    const tag = new URL(url).searchParams.get("filter")?.replace("base_model:finetune:", "");
    const name = new URL(url).searchParams.get("search");
    const base = tag ?? `base/${name ?? ""}`;
    const models = tag === undefined ? [{ id: base, sha: revision(1) }] : tagged(tag);
    const tags = tag === undefined ? [] : [`base_model:finetune:${tag}`];
    const body = JSON.stringify(models.map((model) => ({ ...model, tags, lastModified: OLD })));
    const more = tag !== undefined && next.includes(tag);
    const headers = new Headers(more ? { link: `<${url}&cursor=x>; rel="next"` } : {});
    return Promise.resolve({ url, response: new Response(body, { headers }) });
  };
  const client = { url: HUB, hasToken: false, request } as unknown as HubClient;
  const options: GlanceOptions = {
    ...{ client, catalog, hub: HUB, isFull: false, signal: new AbortController().signal, listingsOf },
    known: (modelIds) => catalog.knownModels({ modelIds }),
    revisit: () => Promise.resolve(),
    sort: (models, known, scope) => {
      const isKnown = ({ id, revision }: (typeof models)[number]) => known.get(id)?.revision === revision;
      return Promise.resolve({
        touched: models.filter(isKnown).map(touchOf),
        changed: models.filter((model) => !isKnown(model)).map((listed) => ({ listed, family: scope, waitsFor: null })),
      });
    },
  };
  return { catalog, asked, glance: (names = bases) => glanceAtFamilies(names.map(family), options) };
}

const tuned = (base: string, digit = 1): Listed => ({ id: `${base}-tuned`, sha: revision(digit) });

describe("glanceAtFamilies", () => {
  const bases = ["base/a", "base/b", "base/c"];

  it("finds families quiet that have nothing new, with a request a listing, and keeps that they were seen", async () => {
    const { catalog, asked, glance } = await setUp(bases, (base) => [tuned(base)]);
    const { count, glances } = await glance();
    expect(count).toBe(3);
    expect(bases.map((base) => glances.get(base)?.isQuiet)).toEqual([true, true, true]);
    expect(asked).toHaveLength(6);
    const known = await catalog.knownModels({ modelIds: ["base/a", "base/c-tuned"] });
    expect([...known.values()].map(({ crawledAt }) => crawledAt)).toEqual([NOW.toISOString(), NOW.toISOString()]);
    expect(await catalog.listing({ hub: HUB, listing: "tag base/b" })).toMatchObject({ fullAt: NOW.toISOString() });
  });

  it("puts what one of them has new into its frontier, and leaves the others alone", async () => {
    const { catalog, glance } = await setUp(bases, (base) => [tuned(base, base === "base/b" ? 2 : 1)]);
    const { glances } = await glance();
    expect(bases.map((base) => glances.get(base)?.isQuiet)).toEqual([true, false, true]);
    expect([...(glances.get("base/b")?.ended.keys() ?? [])]).toEqual(["tag base/b", "name base/b"]);
    expect(await catalog.countFrontier("base/b")).toBe(1);
    expect(await catalog.countFrontier("base/a")).toBe(0);
  });

  it("does not call a family quiet of which a model is no longer shown", async () => {
    const { glance } = await setUp(bases, (base) => (base === "base/c" ? [] : [tuned(base)]));
    const { glances } = await glance();
    expect(bases.map((base) => glances.get(base)?.isQuiet)).toEqual([true, true, false]);
  });

  it("does not call a family quiet of which an earlier crawl left something in the frontier", async () => {
    const { catalog, glance } = await setUp(bases, (base) => [tuned(base)]);
    await catalog.putModel(sampleModel("org/left", [], { family: "base/a", status: "failed", reason: "cut" }));
    const all = { hasToken: false, metadataOnly: true, allTensors: false, verified: false, readableReason: null };
    await catalog.revisit({ scopes: ["base/a", "base/b"], ...all });
    const { glances } = await glance();
    expect(bases.map((base) => glances.get(base)?.isQuiet)).toEqual([false, true, true]);
  });

  it("hands on the first page of a listing that goes on, and does not keep it", async () => {
    const { catalog, glance } = await setUp(bases, (base) => [tuned(base, 2)], ["base/a"]);
    const { glances } = await glance();
    const glanced = glances.get("base/a");
    expect(glanced).toMatchObject({ isQuiet: false });
    expect(glanced?.begun.get("tag base/a")).toMatchObject({ change: { changed: [{ family: "base/a" }] } });
    expect([...(glanced?.ended.keys() ?? [])]).toEqual(["name base/a"]);
    expect(await catalog.countFrontier("base/a")).toBe(0);
    expect(await catalog.listing({ hub: HUB, listing: "tag base/a" })).toMatchObject({ fullAt: OLD, pass: null });
  });

  it("asks nothing of a family that was never crawled", async () => {
    const { asked, glance } = await setUp(["base/a"], (base) => [tuned(base)]);
    const { count, glances } = await glance(["base/new", "base/a"]);
    expect(count).toBe(2);
    expect([...glances.keys()]).toEqual(["base/a"]);
    expect(asked).toHaveLength(2);
  });

  it("looks at no further family once many models are held", async () => {
    const { asked, glance } = await setUp(bases, (base) => [
      tuned(base),
      ...Array.from({ length: 5000 }, (_, i) => ({ id: `org/${base.slice(-1)}-${i}`, sha: revision(1) })),
    ]);
    expect((await glance()).count).toBe(1);
    expect(asked).toHaveLength(2);
  });
});
