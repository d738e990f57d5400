import { readFile } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";
import { HubLimitError } from "../crawler/hub/hub-error.ts";
import type { Fault } from "../crawler/local-hub/start-local-hub.ts";
import { packageFile } from "../crawler/package-file.ts";
import {
  BASE,
  contentOf,
  makeCrawl,
  MODELS,
  OTHERS,
  TUNED,
  TUNED_TWICE,
  type CrawlFixture,
} from "../test/crawl/make-crawl.ts";

const LATER = "2026-02-01T00:00:00.000Z";
const open: CrawlFixture[] = [];
afterEach(async () => {
  for (const fixture of open.splice(0)) await fixture[Symbol.asyncDispose]();
});

async function setUp(...options: Parameters<typeof makeCrawl>): Promise<CrawlFixture> {
  const fixture = await makeCrawl(...options);
  open.push(fixture);
  return fixture;
}

const listingsOf = ({ hub }: CrawlFixture) => hub.requests.filter(({ path }) => path.startsWith("/api/models?"));
const othersOf = ({ hub }: CrawlFixture) => hub.requests.filter(({ path }) => !path.startsWith("/api/models?"));
const statusOf = async ({ rows }: CrawlFixture) =>
  Object.fromEntries(
    (await rows("SELECT model_id, status FROM models")).map((row) => [row["model_id"], row["status"]]),
  );
/** The sample hub's weights of another model, which fit. */
const otherWeights = () =>
  readFile(packageFile("data", "sample-hub", "pixel-farm", "detr-resnet-50-plate-digits", "model.safetensors"));

describe("a crawl with nothing new", () => {
  it("asks once for each page of the listings, and for nothing else", async () => {
    const fixture = await setUp();
    const first = await fixture.run();
    expect(first.models).toMatchObject({ listed: 5, indexed: 5, failed: 0 });
    const second = await fixture.run();
    expect(second.models).toMatchObject({ listed: 5, indexed: 0, unchanged: 5 });
    expect(second.bytes.downloaded).toBe(0);
    expect(fixture.hub.requests).toHaveLength(2);
    expect(listingsOf(fixture)).toHaveLength(2);
    expect(second.requests).toBe(2);
  });

  it("ends a listing of many pages at what the last complete crawl saw", async () => {
    const fixture = await setUp();
    await fixture.run({ pageSize: 1 });
    // by tag three fine-tunes; by name all five, two of which are shown here
    expect(listingsOf(fixture)).toHaveLength(3 + 5);
    await fixture.run({ pageSize: 1 });
    expect(fixture.hub.requests).toHaveLength(2 * 2); // the newest is looked at again, the next is older
    await fixture.commit(OTHERS[0], { "README.md": "new" }, LATER);
    const third = await fixture.run({ pageSize: 1 });
    expect(third.models).toMatchObject({ carried: 1, indexed: 0, failed: 0 });
    expect(listingsOf(fixture)).toHaveLength(2 + 3); // by name, it is the newest now
  });

  it("has the same catalog as before", async () => {
    const fixture = await setUp();
    await fixture.run();
    const before = await contentOf(fixture);
    await fixture.run();
    expect(await contentOf(fixture)).toEqual(before);
  });
});

describe("a stopped crawl", () => {
  it("goes on in the listing where it was, then takes what is new since, and the catalog is the same", async () => {
    const whole = await setUp();
    await whole.run();
    const fixture = await setUp();
    const stop = new AbortController();
    const stopped = fixture.run({
      pageSize: 1,
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === "listed" && event.models === 2) stop.abort(new Error("enough"));
      },
    });
    await expect(stopped).rejects.toThrow("enough");
    const seen = listingsOf(fixture).length;
    const rest = await fixture.run({ pageSize: 1 });
    const [first, ...others] = listingsOf(fixture);
    expect(first?.path).toContain("cursor=");
    expect(rest.outcome).toBe("done");
    // the pages that were left; then from the top down to what the stopped pass had seen first; then the other listing
    expect(seen + others.length + 1).toBeLessThanOrEqual(8 + 2);
    expect(await contentOf(fixture)).toEqual(await contentOf(whole));
    expect(await fixture.rows("SELECT outcome FROM crawls ORDER BY started_at")).toEqual([
      { outcome: "interrupted" },
      { outcome: "done" },
    ]);
  });

  it("begins a listing anew when the hub no longer knows the place", async () => {
    const fixture = await setUp();
    await fixture.run({ pageSize: 1, limit: 2 });
    fixture.hub.faults.push({
      match: (request) => request.path.includes("cursor="),
      times: 1,
      fault: { kind: "status", status: 400, body: '{"error":"Invalid cursor"}' },
    });
    const report = await fixture.run({ pageSize: 1 });
    expect(report).toMatchObject({ outcome: "done", waiting: 0 });
    expect(await statusOf(fixture)).toEqual(Object.fromEntries(MODELS.map((id) => [id, "indexed"])));
  });

  it("reads what it listed and had not read, when a limit ended it", async () => {
    const fixture = await setUp();
    const first = await fixture.run({ limit: 2 });
    expect(first).toMatchObject({ outcome: "done", models: { indexed: 2 } });
    expect(first.waiting).toBeGreaterThan(0);
    const second = await fixture.run();
    expect(second).toMatchObject({ models: { indexed: 3 }, waiting: 0 });
    expect(await statusOf(fixture)).toEqual(Object.fromEntries(MODELS.map((id) => [id, "indexed"])));
  });

  it("is told where the next one goes on when a limit of the hub is reached for long", async () => {
    const fixture = await setUp({ rateLimits: { api: 9, windowSeconds: 3600 } });
    const error = await fixture.run({ pageSize: 1 }).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(HubLimitError);
    expect(String(error)).toMatch(
      /limit "api" of 9 requests in 3600 s is reached; it resets at \d{4}-.*Z\. What was read is kept: run the same command after that, and it goes on with the listing "name facebook\/detr-resnet-50" after its first [1-9] entries/,
    );
    const [log] = await fixture.rows("SELECT outcome, reason FROM crawls");
    expect(log).toMatchObject({ outcome: "failed", reason: expect.stringContaining('limit "api"') as string });
  });
});

describe("a new revision", () => {
  it("with only a new card downloads nothing but its file list, and moves the rows", async () => {
    const fixture = await setUp();
    await fixture.run();
    const chain = `SELECT position, block_id, prefix_id FROM model_blocks WHERE model_id = '${TUNED}' ORDER BY 1`;
    const before = await fixture.rows(chain);
    const card = `---\nlicense: mit\nbase_model: ${BASE}\n---\nNow with a better card.\n`;
    await fixture.commit(TUNED, { "README.md": card, "training_args.bin": "noise" }, LATER);
    const report = await fixture.run();
    expect(report.models).toMatchObject({ carried: 1, indexed: 0, unchanged: 4, failed: 0 });
    expect(report.bytes).toEqual({ downloaded: 0, stored: 0, logical: 0, weights: { hash: 0, file: 0, xet: 0 } });
    expect(othersOf(fixture).map(({ path }) => path)).toEqual([
      expect.stringMatching(`^/api/models/${TUNED}/tree/[0-9a-f]{40}`),
    ]);
    expect(await fixture.rows(chain)).toEqual(before);
    const [model] = await fixture.rows(`SELECT revision, license, status FROM models WHERE model_id = '${TUNED}'`);
    expect(model).toMatchObject({ license: "mit", status: "indexed" });
    for (const table of ["files", "tensors", "model_blocks"]) {
      const revisions = await fixture.rows(`SELECT DISTINCT revision FROM ${table} WHERE model_id = '${TUNED}'`);
      expect(revisions, table).toEqual([{ revision: model?.["revision"] }]);
    }
    expect((await fixture.run()).models).toMatchObject({ carried: 0, unchanged: 5 });
  });

  it.each(["config.json", "preprocessor_config.json"])("with another %s is read", async (name) => {
    const fixture = await setUp();
    await fixture.run();
    const file = await readFile(packageFile("data", "sample-hub", ...TUNED.split("/"), name), "utf8");
    await fixture.commit(TUNED, { [name]: ` ${file}` }, LATER);
    expect((await fixture.run()).models).toMatchObject({ carried: 0, indexed: 1, unchanged: 4 });
  });

  it("with other weights is read, and no other model is asked for", async () => {
    const fixture = await setUp();
    await fixture.run();
    await fixture.commit(TUNED, { "model.safetensors": await otherWeights() }, LATER);
    const report = await fixture.run({ pageSize: 2 });
    expect(report.models).toMatchObject({ carried: 0, indexed: 1 });
    const asked = othersOf(fixture).filter(({ kind }) => kind !== "cdn");
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.filter(({ path }) => !path.includes(TUNED))).toEqual([]);
  });

  it("that cannot be read now leaves the old one to searches, and is tried again", async () => {
    const fixture = await setUp();
    await fixture.run();
    const [before] = await fixture.rows(`SELECT revision FROM models WHERE model_id = '${TUNED}'`);
    await fixture.commit(TUNED, { "model.safetensors": await otherWeights() }, LATER);
    fixture.hub.faults.push({
      match: (request) => request.kind === "cdn" || request.path.includes(`/${TUNED}/resolve/`),
      times: 2,
      fault: { kind: "status", status: 500 },
    });
    const report = await fixture.run({ pageSize: 1 });
    expect(report).toMatchObject({ outcome: "partly", models: { failed: 1 }, waiting: 1 });
    expect(await fixture.rows(`SELECT revision, status FROM models WHERE model_id = '${TUNED}'`)).toEqual([
      { ...before, status: "indexed" },
    ]);
    expect((await fixture.run({ pageSize: 1 })).models).toMatchObject({ failed: 0, indexed: 1 });
  });
});

describe("a model that is no longer there", () => {
  it("is marked gone with its blocks kept, and read again when it is back", async () => {
    const fixture = await setUp();
    await fixture.run();
    await fixture.set(OTHERS[0], { private: true });
    await fixture.remove(OTHERS[1]);
    const report = await fixture.run();
    expect(report.models).toMatchObject({ gone: 2, unchanged: 3 });
    expect(await fixture.rows("SELECT model_id, reason FROM models WHERE status = 'gone' ORDER BY 1")).toEqual(
      [...OTHERS]
        .sort()
        .map((model_id) => ({ model_id, reason: expect.stringContaining("no longer shows it") as string })),
    );
    const [{ n } = { n: 0 }] = await fixture.rows(
      `SELECT count(*)::INT AS n FROM model_blocks WHERE model_id IN ('${OTHERS.join("','")}')`,
    );
    expect(n).toBeGreaterThan(0);
    expect((await fixture.run()).models).toMatchObject({ gone: 0, unchanged: 3 });
    expect(fixture.hub.requests).toHaveLength(2);
    await fixture.set(OTHERS[0], { private: false });
    expect((await fixture.run()).models).toMatchObject({ gone: 0, indexed: 1, unchanged: 3 });
  });

  it("is not taken for gone when a listing has only skipped it", async () => {
    const fixture = await setUp();
    await fixture.run();
    fixture.hub.faults.push({
      match: (request) => request.path.startsWith("/api/models?"),
      times: 2,
      fault: { kind: "status", status: 200, headers: { "Content-Type": "application/json" }, body: "[]" },
    });
    const report = await fixture.run();
    expect(report.models).toMatchObject({ listed: 0, gone: 0 });
    expect(fixture.hub.requests).toHaveLength(2 + MODELS.length);
  });

  it("is noticed in a long listing within a week, or at once when asked to", async () => {
    const fixture = await setUp();
    let now = new Date("2026-03-01T00:00:00Z");
    const options = { pageSize: 1, now: () => now };
    await fixture.run(options);
    await fixture.remove(OTHERS[0]);
    now = new Date("2026-03-02T00:00:00Z");
    expect((await fixture.run(options)).models.gone).toBe(0);
    now = new Date("2026-03-09T00:00:00Z");
    expect((await fixture.run(options)).models.gone).toBe(1);
    await fixture.remove(OTHERS[1]);
    now = new Date("2026-03-10T00:00:00Z");
    expect((await fixture.run(options)).models.gone).toBe(0);
    now = new Date("2026-03-11T00:00:00Z");
    expect((await fixture.run({ ...options, fullListing: true })).models.gone).toBe(1);
  });

  it("is marked gated when it got gated, and read again when the token opens it", async () => {
    const fixture = await setUp();
    await fixture.run();
    await fixture.set(TUNED_TWICE, { gated: "manual" });
    expect((await fixture.run()).models).toMatchObject({ gated: 1, unchanged: 4 });
    expect(fixture.hub.requests).toHaveLength(2);
    expect((await fixture.run()).models).toMatchObject({ gated: 0, unchanged: 5 });
    expect((await fixture.run({ token: "hf_stranger" })).models).toMatchObject({ gated: 1, unchanged: 4 });
    expect(await statusOf(fixture)).toMatchObject({ [TUNED_TWICE]: "gated" });
    expect((await fixture.run({ token: "hf_member" })).models).toMatchObject({ gated: 0, indexed: 1 });
    expect((await fixture.run({ token: "hf_member" })).models).toMatchObject({ gated: 0, unchanged: 5 });
    expect(fixture.hub.requests).toHaveLength(2);
  });

  it("stays indexed when it got gated and the token opens it", async () => {
    const fixture = await setUp();
    await fixture.run({ token: "hf_member" });
    await fixture.set(TUNED, { gated: "auto" });
    const report = await fixture.run({ token: "hf_member" });
    expect(report.models).toMatchObject({ gated: 0, indexed: 0, unchanged: 5 });
    expect(report.bytes.downloaded).toBeLessThan(10_000); // its configuration, to see whether it opens
    expect(await statusOf(fixture)).toMatchObject({ [TUNED]: "indexed" });
  });
});

describe("an answer that is not as it should be", () => {
  const faults: [string, Fault][] = [
    ["another byte", { kind: "corrupt" }],
    ["a byte missing", { kind: "wrong-length" }],
    ["a broken connection", { kind: "cut", afterBytes: 10 }],
  ];
  it.each(faults)("is asked for again, with the same catalog in the end: %s", async (_name, fault) => {
    const whole = await setUp();
    await whole.run({ limit: 2 });
    const fixture = await setUp({
      faults: [
        { match: (request) => request.kind === "resolve-cache" && request.status === 0, times: 2, fault },
        { match: (request) => request.path.includes("/tree/"), times: 1, fault: { kind: "cut", afterBytes: 10 } },
        { match: (request) => request.path.startsWith("/api/models?"), times: 1, fault: { kind: "html" } },
      ],
    });
    expect(await fixture.run({ limit: 2 })).toMatchObject({ outcome: "done", models: { failed: 0, indexed: 2 } });
    expect(await contentOf(fixture)).toEqual(await contentOf(whole));
  });
});

describe("a dry run", () => {
  it("says what would be fetched, and changes nothing", async () => {
    const fixture = await setUp();
    await fixture.run({ limit: 3 });
    const before = await contentOf(fixture);
    const dry = await fixture.run({ dryRun: true });
    expect(dry.planned).toMatchObject({ models: 2 });
    expect(dry.planned?.list).toHaveLength(2);
    expect(dry.planned?.list.every(({ bytes, requests, isNew }) => bytes > 0 && requests > 0 && isNew)).toBe(true);
    expect(await contentOf(fixture)).toEqual(before);
    const real = await fixture.run();
    expect(real.models.indexed).toBe(dry.planned?.models);
    // what comes down besides is configurations and headers, which both read
    expect(real.bytes.downloaded - dry.bytes.downloaded).toBe(dry.planned?.bytes);
  });
});

describe("a crawl of everything", () => {
  it("takes what a family's listings would not, each model once", async () => {
    const fixture = await setUp();
    const report = await fixture.run({ families: [], everything: true, pageSize: 2 });
    expect(report.models).toMatchObject({ listed: 5, indexed: 5 });
    expect(listingsOf(fixture)).toHaveLength(3);
    expect(await fixture.rows("SELECT DISTINCT family FROM models")).toEqual([{ family: BASE }]);
    const again = await fixture.run({ families: [], everything: true, pageSize: 10 });
    expect(again.models).toMatchObject({ listed: 5, unchanged: 5 });
    expect(fixture.hub.requests).toHaveLength(1);
    await fixture.remove(OTHERS[0]);
    expect((await fixture.run({ families: [], everything: true })).models.gone).toBe(1);
  });
});
