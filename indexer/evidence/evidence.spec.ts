import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openCrawledHub, type CrawledHub } from "../../test/hub/crawl-folder.ts";
import { makeFamilyMember, type FamilyMember, type FamilySeeds } from "../../test/hub/make-family.ts";
import { makeHubFolder, type HubFolderFixture } from "../../test/hub/make-hub-folder.ts";
import type { LocalHubOptions } from "../../crawler/local-hub/start-local-hub.ts";
import type { CatalogReader } from "../catalog/catalog-reader.ts";
import { openBlockStore } from "../store/block-store.ts";

const BASE = "acme/vit-tiny";
const base = makeFamilyMember({});
/** A fine-tune of the base, by what differs. */
const tunes = {
  copy: makeFamilyMember({}, { baseModel: BASE }),
  head: makeFamilyMember({ head: 2 }, { baseModel: BASE }),
  /** Its header has another length, so that everything lies elsewhere. */
  classes: makeFamilyMember({ head: 3 }, { baseModel: BASE, classes: 1000 }),
  last: makeFamilyMember({ lastLayer: 4, head: 4 }, { baseModel: BASE }),
  all: makeFamilyMember({ backbone: 5 }, { baseModel: BASE }),
} satisfies Record<string, FamilyMember>;
type Tune = keyof typeof tunes;
const idOf = (tune: Tune | "twin"): string => `zoo/${tune}`;

/** What a range costs beyond its bytes: a chunk that begins before it, and one that ends behind it. */
const EDGES = 2 * 128 * 1024;
/**
 * Bytes of the backbone that may have to be read where these parts are new: tensors that lie, even in part, in a chunk
 * with new bytes are read whole.
 */
function nearBytes({ tensors }: FamilyMember, parts: readonly (keyof FamilySeeds)[]): number {
  const fresh = tensors.filter(({ part }) => parts.includes(part));
  const isNear = (tensor: { begin: number; end: number }): boolean =>
    fresh.some(({ begin, end }) => tensor.begin < end + 128 * 1024 && tensor.end > begin - 128 * 1024);
  return tensors.reduce(
    (sum, tensor) => sum + (tensor.part !== "head" && isNear(tensor) ? tensor.end - tensor.begin : 0),
    0,
  );
}

/** A header is asked for in this many bytes, whatever its length. */
const HEADER = 100_000;
const COUNTS = `
  SELECT evidence, count(*)::INT AS n, sum(bytes)::INT AS bytes FROM tensors
  WHERE model_id = $model AND block IS NOT NULL GROUP BY evidence ORDER BY evidence`;
/** All that a crawl finds, but for how it found it. */
const CHAINS = "SELECT model_id, position, name, block_id, prefix_id FROM model_blocks ORDER BY ALL";
const HASHES =
  "SELECT model_id, name, dtype, shape, bytes, hash, block, role, slots, position FROM tensors ORDER BY model_id, position";

describe("a crawl", () => {
  let folder: HubFolderFixture;
  beforeAll(async () => {
    folder = await makeHubFolder({
      [BASE]: base.files,
      ...Object.fromEntries((Object.keys(tunes) as Tune[]).map((tune) => [idOf(tune), tunes[tune].files])),
      [idOf("twin")]: tunes.copy.files,
    });
  });
  afterAll(() => folder[Symbol.asyncDispose]());

  /** A home that has the base. */
  async function open(options: Partial<LocalHubOptions> = {}): Promise<CrawledHub> {
    const crawled = await openCrawledHub(folder.root, { xet: { xorbBytes: 1_500_000 }, ...options });
    const report = await crawled.crawl([BASE]);
    expect(report.failed).toEqual([]);
    crawled.hub.requests.length = 0;
    return crawled;
  }
  const evidenceOf = (crawled: CrawledHub, model: string) =>
    crawled.read(async (reader) => {
      const rows = await reader.query(COUNTS, { model });
      return Object.fromEntries(rows.map((row) => [row.maybeText("evidence"), row.number("bytes")]));
    });
  /** Bytes of weight files that were sent. */
  const sent = ({ hub }: CrawledHub): number =>
    hub.requests.filter(({ kind }) => kind === "cdn").reduce((sum, { bytesSent }) => sum + bytesSent, 0);
  const backbone = base.bytes.backbone + base.bytes.lastLayer;

  it("fetches nothing of a weight file that it has read in another repository", async () => {
    await using crawled = await open();
    const report = await crawled.crawl([idOf("copy")]);
    expect(sent(crawled)).toBe(0);
    expect(
      crawled.hub.requests.some(({ kind, path }) => kind === "cas" || /safetensors|xet-read-token/.test(path)),
    ).toBe(false);
    expect(report.bytes).toMatchObject({ stored: 0, logical: backbone, weights: { hash: 0, file: backbone, xet: 0 } });
    expect(await evidenceOf(crawled, idOf("copy"))).toEqual({ file: backbone });
  });

  it.each(["head", "classes"] as const)(
    "fetches the header of a fine-tune with another head (%s), and little more",
    async (tune) => {
      await using crawled = await open();
      const report = await crawled.crawl([idOf(tune)]);
      const { hash = 0, xet = 0 } = await evidenceOf(crawled, idOf(tune));
      expect(hash + xet).toBe(backbone);
      // nothing of the backbone is new: what is fetched of it are tensors that begin in the chunk where the head ends
      expect(hash).toBeLessThanOrEqual(nearBytes(tunes[tune], ["head"]));
      expect(sent(crawled)).toBe(report.bytes.downloaded - small(tune));
      expect(sent(crawled)).toBeLessThanOrEqual(hash + HEADER + EDGES);
      expect(report.bytes).toMatchObject({ stored: 0, logical: backbone, weights: { hash, xet, file: 0 } });
      expect(sent(crawled)).toBeLessThan(tunes[tune].bytes.file / 4);
    },
  );

  it("fetches the last layer of a fine-tune that changed it, and little more", async () => {
    await using crawled = await open();
    const report = await crawled.crawl([idOf("last")]);
    const { hash = 0, xet = 0 } = await evidenceOf(crawled, idOf("last"));
    expect(hash).toBeGreaterThanOrEqual(base.bytes.lastLayer);
    expect(hash + xet).toBe(backbone);
    expect(report.bytes.stored).toBe(base.bytes.lastLayer);
    // what is fetched besides are tensors that begin or end in a chunk with new bytes
    expect(hash).toBeLessThanOrEqual(nearBytes(tunes.last, ["head", "lastLayer"]));
    expect(nearBytes(tunes.last, ["head", "lastLayer"])).toBeLessThan(backbone * 0.6);
    // and a chunk on either side of two ranges: behind the head, and the last layer
    expect(sent(crawled)).toBeLessThanOrEqual(hash + HEADER + 2 * EDGES);
  });

  it("finds the same with and without it", async () => {
    const models = [BASE, ...(Object.keys(tunes) as Tune[]).map(idOf)];
    const found = [];
    for (const xet of [true, false]) {
      await using crawled = await openCrawledHub(folder.root);
      const report = await crawled.crawl(models, { xet });
      expect([report.failed, report.models.indexed]).toEqual([[], models.length]);
      expect(report.plain).toEqual(xet ? {} : { "Xet is switched off": models.length - 1 }); // of the copy nothing is read
      found.push(
        await crawled.read(async (reader) => [
          await rowsOf(reader, CHAINS),
          await rowsOf(reader, HASHES),
          report.bytes.stored,
        ]),
      );
    }
    expect(found[0]).toEqual(found[1]);
    expect(found[0]?.[1]).toContainEqual(expect.stringContaining('"hash":'));
  });

  describe("of models with the same file, read at the same time", () => {
    const twins = [BASE, idOf("copy"), idOf("twin")];
    /** What one of them takes, and a header each of the others. */
    const once = base.bytes.file + twins.length * HEADER + EDGES;

    it.each([true, false])("fetches the file once (Xet: %s)", async (xet) => {
      await using crawled = await openCrawledHub(folder.root);
      const report = await crawled.crawl(twins, { xet, concurrency: 3 });
      expect([report.failed, report.models.indexed]).toEqual([[], 3]);
      expect(sent(crawled)).toBeLessThan(once);
      expect(report.bytes.weights).toEqual({ hash: backbone, file: 2 * backbone, xet: 0 });
    });

    it("lets another one fetch it where the first has failed", async () => {
      await using crawled = await openCrawledHub(folder.root);
      crawled.hub.faults.push({
        match: ({ kind, range }) => kind === "cdn" && range !== "bytes=0-99999",
        times: 1,
        fault: { kind: "corrupt" },
      });
      const report = await crawled.crawl(twins, { tensors: "all", xet: false, concurrency: 3 });
      expect([report.failed.length, report.models.indexed]).toEqual([1, 2]);
      expect(sent(crawled)).toBeGreaterThan(2 * base.bytes.file);
      expect(sent(crawled)).toBeLessThan(base.bytes.file + once);
    });
  });

  it("says in a dry run what it would fetch with what it knows", async () => {
    await using crawled = await open();
    const planned = async (tune: Tune) => (await crawled.crawl([idOf(tune)], { dryRun: true })).planned;
    expect(await planned("copy")).toMatchObject({ models: 1, requests: 0, bytes: 0 });
    expect((await planned("last"))?.bytes).toBeLessThanOrEqual(nearBytes(tunes.last, ["head", "lastLayer"]));
    expect((await planned("all"))?.bytes).toBeGreaterThanOrEqual(backbone);
  });

  it("reads again what the store has lost", async () => {
    await using crawled = await open();
    const store = openBlockStore(crawled.home);
    await rm(store.folder, { recursive: true });
    await crawled.crawl([idOf("copy")]);
    expect(await evidenceOf(crawled, idOf("copy"))).toEqual({ hash: backbone });
    for await (const { blockId } of store.list()) expect(await store.has(blockId)).toBe(true);
  });

  it("reads and checks whole files when told to, and remembers that it did", async () => {
    await using crawled = await open();
    const verified = () =>
      crawled.read(async (reader) => {
        const rows = await reader.query(
          "SELECT model_id, verified FROM files WHERE path = 'model.safetensors' ORDER BY 1",
        );
        return rows.map((row) => [row.text("model_id"), row.maybeText("verified")]);
      });
    expect(await verified()).toEqual([[BASE, null]]);
    const report = await crawled.crawl([BASE], { verify: true });
    expect([report.models.indexed, sent(crawled) > base.bytes.file / 2]).toEqual([1, true]);
    expect(await verified()).toEqual([[BASE, "sha256"]]);
    expect((await crawled.crawl([BASE], { verify: true })).models.unchanged).toBe(1);
    await crawled.crawl([idOf("copy")]);
    expect(await verified()).toEqual([
      [BASE, "sha256"],
      [idOf("copy"), "sha256"],
    ]);
    await crawled.crawl([idOf("all")], { tensors: "all" });
    expect((await verified())[1]).toEqual([idOf("all"), "sha256"]);
  });

  it.each([true, false])(
    "finds a corrupted byte of a file that is read whole (Xet: %s), and mends it the next time",
    async (xet) => {
      const at = xet ? /^\/xorbs\// : /^\/repos\//;
      await using crawled = await openCrawledHub(folder.root);
      let isFirst = true;
      crawled.hub.faults.push({
        match: ({ kind, path, range }) => kind === "cdn" && at.test(path) && range !== "bytes=0-99999" && isFirst,
        times: 1,
        fault: { kind: "corrupt" },
      });
      const report = await crawled.crawl([BASE], { tensors: "all", xet });
      expect(report.failed).toEqual([{ model: BASE, reason: expect.stringMatching(/sha256|hash to|LZ4 frame|chunk/) }]);
      isFirst = false;
      expect((await crawled.crawl([BASE], { tensors: "all", xet })).models.indexed).toBe(1);
    },
  );

  /** Bytes of a model's small files. */
  const small = (tune: Tune): number =>
    ["config.json", "preprocessor_config.json"].reduce((sum, path) => sum + (tunes[tune].files[path]?.length ?? 0), 0);
});

/** The rows of a query as JSON texts. */
const rowsOf = async (reader: CatalogReader, sql: string): Promise<string[]> =>
  (await reader.query(`SELECT to_json(found)::VARCHAR AS row FROM (${sql}) AS found`)).map((row) => row.text("row"));
