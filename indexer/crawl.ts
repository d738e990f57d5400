import { PICKLE_ONLY_REASON } from "../crawler/checkpoint/open-checkpoint.ts";
import type { Family } from "../crawler/families.ts";
import { findModel, lookUpModel } from "../crawler/find-model.ts";
import { HubLimitError } from "../crawler/hub/hub-error.ts";
import { openHubRepository } from "../crawler/hub/hub-repository.ts";
import { inspectModel } from "../crawler/inspect-model.ts";
import { listingKey, type Listing } from "../crawler/list-page.ts";
import type { ListingState } from "../crawler/listing-state.ts";
import { shapeOf, type BackboneShape } from "./backbone-shape.ts";
import type { KnownModel } from "./catalog/known-models.ts";
import { glanceAtFamilies, sinceOf, type Glance } from "./glance-at-families.ts";
import { crawlListing } from "./crawl-listing.ts";
import { CrawlLog } from "./crawl-log.ts";
import type { CrawlOptions } from "./crawl-options.ts";
import type { CrawlReport } from "./crawl-report.ts";
import { touchOf } from "./model-records.ts";
import { ModelReader, type ExpectedShape } from "./model-reader.ts";
import { EVERYTHING, needsReading, needsTensors, type Wanted } from "./needs-reading.ts";
import { PageSorter } from "./page-sorter.ts";
import { NOT_SHOWN } from "./problem-of.ts";
import { ProgressPublisher } from "./progress-publisher.ts";
import { PutBatch } from "./put-batch.ts";
import { ReaderQueue } from "./reader-queue.ts";
import { sayWhereItGoesOn } from "./say-where-it-goes-on.ts";

/**
 * Finds the models of families on a hub, reads what is new of them into the store and the catalog, and publishes it.
 * A model that cannot be read is listed with the reason, and the others go on.
 *
 * Listings come latest modification first and end at what the last complete crawl saw. What they show as new or changed
 * goes into the catalog's frontier, page by page with the place in the listing; models leave the frontier when they have
 * been read. So a crawl that stops anywhere goes on there.
 * @throws InputError for a base or model that does not exist, HubUnreachableError when the hub is away, HubLimitError
 * when one of its limits is reached for long
 */
export async function crawl(options: CrawlOptions): Promise<CrawlReport> {
  return new Crawl(options).run();
}

/** Models of the frontier that are taken at a time. */
const FRONTIER_BATCH = 256;
/** Models that are looked up at a time because listings no longer show them. */
const UNSEEN_BATCH = 500;

/** What is crawled together: a family, or all models. */
interface Scope {
  readonly name: string;
  readonly listings: readonly Listing[];
  /** What a model has to look like that is only named like the family's. */
  readonly shape: ExpectedShape | null;
}

class Crawl {
  readonly #options: CrawlOptions;
  readonly #wanted: Wanted;
  readonly #log: CrawlLog;
  readonly #sorter: PageSorter;
  readonly #queue: ReaderQueue;
  readonly #puts: PutBatch;
  #begun = 0;
  #scope: Scope | null = null;
  /** Base that was read before its family was listed, where it counts. */
  #firstRead: string | null = null;

  constructor(options: CrawlOptions) {
    const { client, catalog, tensors, metadataOnly = false, includePickle = false, verify = false } = options;
    this.#options = options;
    this.#wanted = { tensors, metadataOnly, includePickle, verify, hasToken: client.hasToken };
    this.#log = new CrawlLog(options, this.#wanted);
    this.#sorter = new PageSorter(catalog, this.#wanted, this.#log);
    this.#puts = new PutBatch(catalog);
    const publisher = new ProgressPublisher(catalog, this.#log);
    const reader = new ModelReader({
      client,
      catalog,
      puts: this.#puts,
      store: options.store,
      wanted: this.#wanted,
      xet: options.xet ?? true,
      isDry: options.dryRun ?? false,
      tally: this.#log.tally,
    });
    this.#queue = new ReaderQueue({
      concurrency: options.concurrency,
      signal: options.signal,
      read: async (model, signal) => {
        options.onEvent?.({ kind: "start", model: model.listed.id });
        await reader.read(model, signal);
        await publisher.publishWhenDue();
      },
    });
  }

  async run(): Promise<CrawlReport> {
    const { catalog, families, models, everything, signal } = this.#options;
    const start = performance.now();
    await catalog.beginCrawl(this.#log.record("running", null));
    let error: Error | null = null;
    try {
      await this.#crawlFamilies(families);
      if (everything) await this.#crawlEverything();
      if (models.length > 0) await this.#crawlModels(models);
    } catch (cause) {
      error = cause instanceof Error ? cause : new Error(String(cause));
    }
    error = (await this.#queue.end(error)) ?? error;
    const outcome = !error
      ? this.#log.tally.failed.length > 0
        ? "partly"
        : "done"
      : signal?.aborted
        ? "interrupted"
        : "failed";
    try {
      await this.#puts.finish(); // what was read before it ended
      if (error instanceof HubLimitError) {
        const { name, listings = [] } = this.#scope ?? {};
        const waiting = name === undefined ? 0 : await catalog.countFrontier(name);
        this.#log.waiting += waiting;
        error = await sayWhereItGoesOn(error, { catalog, hub: this.#log.hub, listings, waiting });
      }
      await catalog.putCrawl(this.#log.record(outcome, error?.message ?? null));
      await catalog.publish();
    } catch (cause) {
      throw error ?? cause;
    }
    if (error) throw error;
    return this.#log.report(outcome, (performance.now() - start) / 1000);
  }

  async #crawlFamilies(families: readonly Family[]): Promise<void> {
    const { catalog, client, pageSize, fullListing = false } = this.#options;
    for (let begin = 0; begin < families.length;) {
      const { count, glances } = await glanceAtFamilies(families.slice(begin), {
        ...{ client, catalog, hub: this.#log.hub, pageSize, isFull: fullListing, signal: this.#queue.signal },
        listingsOf,
        known: (ids) => this.#known(ids),
        revisit: (scopes) => this.#revisit(scopes),
        sort: (models, known, scope) => this.#sorter.sort(models, known, scope, this.#firstRead),
      });
      const seen = new Map(glances);
      for (const family of families.slice(begin, begin + count)) {
        await this.#crawlFamily(family, seen.get(family.base));
        seen.delete(family.base); // named twice, it is crawled twice
      }
      begin += count;
    }
  }

  /** @param glance what has been seen of it */
  async #crawlFamily({ base }: Family, glance: Glance | undefined): Promise<void> {
    this.#options.onEvent?.({ kind: "family", family: base });
    if (glance?.isQuiet) return;
    if (!glance) {
      const known = (await this.#known([base])).get(base);
      if (known?.family !== base) await this.#crawlBase(base, known);
      await this.#revisit([base]);
    }
    await this.#crawlScope({ name: base, listings: listingsOf(base), shape: once(() => this.#shapeOf(base)) }, glance);
  }

  /** The base comes first: its fine-tunes are compared with it. */
  async #crawlBase(base: string, known: KnownModel | undefined): Promise<void> {
    const listed = await findModel(this.#options.client, base, "base");
    this.#firstRead = base;
    this.#log.tally.list();
    this.#begun++;
    await this.#queue.add({ listed, family: base, known, shape: null });
    await this.#settle();
  }

  async #crawlEverything(): Promise<void> {
    this.#options.onEvent?.({ kind: "family", family: "all models" });
    await this.#revisit(null);
    await this.#crawlScope({ name: EVERYTHING, listings: [{ kind: "all" }], shape: null });
    await this.#options.catalog.settleFamilies();
  }

  /**
   * Puts into the frontier what earlier crawls have left undone.
   * @param scopes families' bases; null for all models
   */
  async #revisit(scopes: readonly string[] | null): Promise<void> {
    const { catalog, tensors } = this.#options;
    const { hasToken, metadataOnly, includePickle, verify } = this.#wanted;
    const readableReason = includePickle ? PICKLE_ONLY_REASON : null;
    await catalog.revisit({
      ...{ scopes, hasToken, metadataOnly, allTensors: tensors === "all", verified: verify, readableReason },
    });
  }

  /** Lists what is new, reads it, and marks what has gone. */
  async #crawlScope(scope: Scope, glance?: Glance): Promise<void> {
    this.#scope = scope;
    const { catalog, client, pageSize, fullListing = false } = this.#options;
    const ends: ListingState[] = [];
    for (const listing of scope.listings) {
      const key = listingKey(listing);
      const ended = glance?.ended.get(key);
      if (ended) {
        ends.push(ended);
        continue;
      }
      const end = await crawlListing({
        first: glance?.begun.get(key),
        client,
        catalog,
        hub: this.#log.hub,
        listing,
        scope: scope.name,
        pageSize,
        isFull: fullListing,
        signal: this.#queue.signal,
        onPage: async (models) => {
          const known = await this.#known(models.map(({ id }) => id));
          return this.#sorter.sort(models, known, scope.name, this.#firstRead);
        },
        afterPage: async () => {
          await this.#readFrontier(scope);
          return !this.#isFull();
        },
      });
      if (end === null) break;
      ends.push(end);
    }
    const isComplete = ends.length === scope.listings.length;
    do {
      await this.#readFrontier(scope);
      await this.#settle();
    } while (isComplete && (await this.#freeFrontier(scope)) > 0);
    if (isComplete && !this.#isFull()) await this.#markGone(scope.name, ends);
    this.#log.waiting += await catalog.countFrontier(scope.name);
    this.#scope = null;
  }

  /** Lets in the models whose base has turned out to belong to the family. */
  async #freeFrontier({ name }: Scope): Promise<number> {
    if (this.#isFull()) return 0;
    const freed = await this.#options.catalog.freeFrontier(name);
    this.#log.tally.list(freed);
    return freed;
  }

  /** Begins to read what the frontier holds, as fast as readers come free. */
  async #readFrontier(scope: Scope): Promise<void> {
    const { catalog } = this.#options;
    while (!this.#isFull()) {
      const models = await catalog.takeFrontier({ scope: scope.name, crawlId: this.#log.id, limit: FRONTIER_BATCH });
      if (models.length === 0) return;
      const known = await this.#known(models.map(({ listed }) => listed.id));
      const settled: string[] = [];
      for (const { listed, family } of models) {
        this.#queue.throwFatal();
        if (this.#isFull()) break;
        const before = known.get(listed.id);
        if (!needsReading(listed, before, scope.name, this.#wanted)) {
          settled.push(listed.id);
          continue;
        }
        this.#begun++;
        const shape = listed.foundBy === "name" ? scope.shape : null;
        await this.#queue.add({ listed, family, known: before, shape });
      }
      await catalog.dropFrontier(scope.name, settled);
    }
  }

  async #crawlModels(ids: readonly string[]): Promise<void> {
    const { client, catalog } = this.#options;
    const known = await this.#known(ids);
    for (const id of ids) {
      this.#queue.throwFatal();
      if (this.#isFull()) break;
      const before = known.get(id);
      const listed = before ? await lookUpModel(client, id, "id", this.#queue.signal) : await findModel(client, id);
      this.#log.tally.list();
      if (!listed) await this.#putGone(id, NOT_SHOWN);
      else if (before && !needsReading(listed, before, null, this.#wanted)) {
        await catalog.touchModels([touchOf(listed)]);
        this.#log.tally.passBy(id, before);
      } else {
        this.#begun++;
        await this.#queue.add({ listed, family: before?.family ?? listed.baseModel, known: before, shape: null });
      }
    }
    await this.#settle();
  }

  /** Whether the limits that the user set end the crawl early. */
  #isFull(): boolean {
    const { limit = Infinity, maxBytes = Infinity } = this.#options;
    return this.#begun >= limit || this.#log.downloaded >= maxBytes;
  }

  async #known(modelIds: readonly string[]): Promise<Map<string, KnownModel>> {
    await this.#puts.finish();
    return this.#options.catalog.knownModels({ modelIds, withTensors: needsTensors(this.#wanted) });
  }

  /**
   * Finds the models that listings read to their end have not shown. The hub is asked for each: a listing that changes
   * while it is read may skip one. What has gone stays in the catalog, marked.
   */
  async #markGone(scope: string, ends: readonly ListingState[]): Promise<void> {
    const { catalog, client } = this.#options;
    const since = sinceOf(ends);
    if (since === null) return;
    for (let after = "", ids = [""]; ids.length > 0; after = ids.at(-1) ?? "") {
      ids = await catalog.listUnseen({ scope, since, after, limit: UNSEEN_BATCH });
      const known = await this.#known(ids);
      for (const id of ids) {
        this.#queue.signal.throwIfAborted();
        const listed = await lookUpModel(client, id, "id", this.#queue.signal);
        const before = known.get(id);
        if (!listed) await this.#putGone(id, NOT_SHOWN);
        else if (listed.id !== id) await this.#putGone(id, `the hub has it as ${listed.id} now`);
        else if (needsReading(listed, before, null, this.#wanted)) {
          await this.#queue.add({ listed, family: before?.family ?? null, known: before, shape: null });
        } else await catalog.touchModels([touchOf(listed)]);
      }
    }
    await this.#settle();
  }

  async #putGone(model: string, reason: string): Promise<void> {
    await this.#options.catalog.setStatus(model, { status: "gone", reason });
    this.#log.tally.finish(model, { status: "gone", reason }, "gone");
  }

  async #shapeOf(base: string): Promise<BackboneShape | null> {
    const { client, catalog, includePickle } = this.#options;
    const stored = await catalog.backboneShape(base);
    if (stored) return { base, ...stored };
    const known = (await this.#known([base])).get(base);
    if (!known || known.status === "gone") return null;
    const repository = openHubRepository(client, base, known.revision);
    return shapeOf(base, await inspectModel(repository, { includePickle, signal: this.#queue.signal }));
  }

  /** Waits until all models that were begun are in the catalog. */
  async #settle(): Promise<void> {
    await this.#queue.settle();
    await this.#puts.finish();
  }
}

const listingsOf = (base: string): Listing[] => [
  { kind: "tag", base },
  { kind: "name", base },
];

/** A function that does its work at the first call and remembers the result. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => (result ??= work());
}
