import { randomBytes } from "node:crypto";
import { PICKLE_ONLY_REASON } from "../crawler/checkpoint/open-checkpoint.ts";
import type { Family } from "../crawler/families.ts";
import { findModel, lookUpModel } from "../crawler/find-model.ts";
import { HubLimitError } from "../crawler/hub/hub-error.ts";
import { openHubRepository } from "../crawler/hub/hub-repository.ts";
import { inspectModel } from "../crawler/inspect-model.ts";
import type { Listing } from "../crawler/list-page.ts";
import type { ListedModel } from "../crawler/listed-model.ts";
import type { ListingState } from "../crawler/listing-state.ts";
import { shapeOf, type BackboneShape } from "./backbone-shape.ts";
import type { KnownModel } from "./catalog/known-models.ts";
import type { CrawlOutcome, CrawlRecord, FrontierModel, ModelTouch } from "./catalog/records.ts";
import { crawlListing, type PageChange } from "./crawl-listing.ts";
import type { CrawlOptions } from "./crawl-options.ts";
import type { CrawlReport } from "./crawl-report.ts";
import { CrawlTally } from "./crawl-tally.ts";
import { touchOf } from "./model-records.ts";
import { ModelReader, type ExpectedShape } from "./model-reader.ts";
import { EVERYTHING, isUnrelated, needsReading, needsTensors, type Wanted } from "./needs-reading.ts";
import { NOT_SHOWN } from "./problem-of.ts";
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

/** Readers see a long crawl's progress about so often. */
const PUBLISH_EVERY_MS = 30_000;
/** Between two publications of a large catalog passes so many times as long as one takes. */
const PUBLISH_PAUSE = 20;
/** Models of the frontier that are taken at a time. */
const FRONTIER_BATCH = 64;
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
  readonly #id: string;
  readonly #startedAt: Date;
  readonly #queue: ReaderQueue;
  readonly #tally: CrawlTally;
  readonly #puts: PutBatch;
  readonly #before: { readonly bytes: number; readonly requests: number; readonly retries: number };
  #begun = 0;
  #waiting = 0;
  #nextPublish = Date.now() + PUBLISH_EVERY_MS;
  #scope: Scope | null = null;
  /** Base that was read before its family was listed, where it counts. */
  #firstRead: string | null = null;

  constructor(options: CrawlOptions) {
    const { client, catalog, tensors, metadataOnly = false, includePickle = false, verify = false } = options;
    this.#options = options;
    this.#wanted = { tensors, metadataOnly, includePickle, verify, hasToken: client.hasToken };
    this.#startedAt = catalog.now();
    this.#id = `${this.#startedAt.toISOString().replace(/\D/g, "").slice(0, 14)}-${randomBytes(2).toString("hex")}`;
    this.#before = { ...client.traffic };
    this.#tally = new CrawlTally({ asked: options.models, onEvent: (event) => options.onEvent?.(event) });
    this.#puts = new PutBatch(catalog);
    const reader = new ModelReader({
      client,
      catalog,
      puts: this.#puts,
      store: options.store,
      wanted: this.#wanted,
      xet: options.xet ?? true,
      isDry: options.dryRun ?? false,
      tally: this.#tally,
    });
    this.#queue = new ReaderQueue({
      concurrency: options.concurrency,
      signal: options.signal,
      read: async (model, signal) => {
        options.onEvent?.({ kind: "start", model: model.listed.id });
        await reader.read(model, signal);
        await this.#publishNowAndThen();
      },
    });
  }

  async run(): Promise<CrawlReport> {
    const { catalog, families, models, everything, signal } = this.#options;
    const start = performance.now();
    await catalog.beginCrawl(this.#record("running", null));
    let error: Error | null = null;
    try {
      for (const family of families) await this.#crawlFamily(family);
      if (everything) await this.#crawlEverything();
      if (models.length > 0) await this.#crawlModels(models);
    } catch (cause) {
      error = cause instanceof Error ? cause : new Error(String(cause));
    }
    error = (await this.#queue.end(error)) ?? error;
    const outcome = !error
      ? this.#tally.failed.length > 0
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
        this.#waiting += waiting;
        error = await sayWhereItGoesOn(error, { catalog, hub: this.#hubName, listings, waiting });
      }
      await catalog.putCrawl(this.#record(outcome, error?.message ?? null));
      await catalog.publish();
    } catch (cause) {
      throw error ?? cause;
    }
    if (error) throw error;
    return this.#report(outcome, (performance.now() - start) / 1000);
  }

  #report(outcome: CrawlOutcome, seconds: number): CrawlReport {
    const { families, dryRun } = this.#options;
    const { models, bytes, requests, retries, waiting } = this.#record(outcome, null);
    const { weights, plain } = this.#tally;
    return {
      crawl: this.#id,
      outcome,
      families: families.map((family) => family.name),
      models,
      bytes: { ...bytes, weights },
      plain,
      requests,
      retries,
      seconds,
      waiting,
      ...(dryRun && { planned: this.#tally.planned }),
      failed: this.#tally.failed,
      reasons: this.#tally.reasons,
    };
  }

  /** The crawl's line in the log, as it is now. */
  #record(outcome: CrawlOutcome, reason: string | null): CrawlRecord {
    const { client, catalog, families, models, everything, tensors, limit, maxBytes } = this.#options;
    const { metadataOnly, includePickle, verify } = this.#wanted;
    const { traffic } = client;
    const asked = {
      families: families.map(({ base }) => base),
      models: models.length,
      everything: everything === true,
    };
    return {
      crawlId: this.#id,
      startedAt: this.#startedAt.toISOString(),
      finishedAt: outcome === "running" ? null : catalog.now().toISOString(),
      hub: this.#hubName,
      args: JSON.stringify({ ...asked, tensors, metadataOnly, includePickle, verify, limit, maxBytes }),
      outcome,
      reason,
      requests: traffic.requests - this.#before.requests,
      retries: traffic.retries - this.#before.retries,
      bytes: {
        downloaded: traffic.bytes - this.#before.bytes,
        stored: this.#tally.stored,
        logical: this.#tally.logical,
      },
      models: { ...this.#tally.counts },
      waiting: this.#waiting,
    };
  }

  get #hubName(): string {
    return this.#options.hubName ?? this.#options.client.url;
  }

  async #crawlFamily({ base }: Family): Promise<void> {
    this.#options.onEvent?.({ kind: "family", family: base });
    const known = (await this.#known([base])).get(base);
    if (known?.family !== base) await this.#crawlBase(base, known);
    await this.#crawlScope({
      name: base,
      listings: [
        { kind: "tag", base },
        { kind: "name", base },
      ],
      shape: once(() => this.#shapeOf(base)),
    });
  }

  /** The base comes first: its fine-tunes are compared with it. */
  async #crawlBase(base: string, known: KnownModel | undefined): Promise<void> {
    const listed = await findModel(this.#options.client, base, "base");
    this.#firstRead = base;
    this.#tally.list();
    this.#begun++;
    await this.#queue.add({ listed, family: base, known, shape: null });
    await this.#settle();
  }

  async #crawlEverything(): Promise<void> {
    this.#options.onEvent?.({ kind: "family", family: "all models" });
    await this.#crawlScope({ name: EVERYTHING, listings: [{ kind: "all" }], shape: null });
    await this.#options.catalog.settleFamilies();
  }

  /** Lists what is new, reads it, and marks what has gone. */
  async #crawlScope(scope: Scope): Promise<void> {
    this.#scope = scope;
    const { catalog, client, tensors, pageSize, fullListing = false } = this.#options;
    const { hasToken, metadataOnly, includePickle, verify } = this.#wanted;
    const readableReason = includePickle ? PICKLE_ONLY_REASON : null;
    await catalog.revisit({
      ...{ scope: scope.name, hasToken, metadataOnly, allTensors: tensors === "all", verified: verify, readableReason },
    });
    const ends: ListingState[] = [];
    for (const listing of scope.listings) {
      const end = await crawlListing({
        client,
        catalog,
        hub: this.#hubName,
        listing,
        scope: scope.name,
        pageSize,
        isFull: fullListing,
        signal: this.#queue.signal,
        onPage: (models) => this.#sortPage(models, scope),
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
    this.#waiting += await catalog.countFrontier(scope.name);
    this.#scope = null;
  }

  /** Lets in the models whose base has turned out to belong to the family. */
  async #freeFrontier({ name }: Scope): Promise<number> {
    if (this.#isFull()) return 0;
    const freed = await this.#options.catalog.freeFrontier(name);
    this.#tally.list(freed);
    return freed;
  }

  /** Tells the known models of a page from those that have to be read. */
  async #sortPage(models: readonly ListedModel[], scope: Scope): Promise<PageChange> {
    const known = await this.#known(models.map(({ id }) => id));
    const touched: ModelTouch[] = [];
    const changed: FrontierModel[] = [];
    for (const listed of models) {
      const before = known.get(listed.id);
      const waitsFor = listed.foundBy === "name" ? listed.baseModel : null;
      const isMember = before?.family === scope.name || (before !== undefined && isUnrelated(before));
      if (before && this.#wasVisited(listed, before)) {
        touched.push(touchOf(listed)); // by an earlier crawl's list of what to read again
      } else if (needsReading(listed, before, scope.name, this.#wanted)) {
        const family = scope.name === EVERYTHING ? (before?.family ?? listed.baseModel) : scope.name;
        changed.push({ listed, family, waitsFor: isMember ? null : waitsFor });
        if (waitsFor !== null && !isMember) continue; // counted when it is let in
      } else {
        touched.push(touchOf(listed));
        if (before?.status === "gated" && before.revision !== listed.revision) await this.#stayGated(listed, before);
        if (before && listed.id !== this.#firstRead) this.#passBy(listed.id, before);
      }
      if (listed.id !== this.#firstRead) this.#tally.list();
    }
    return { touched, changed };
  }

  /** Whether this crawl has tried the model at this revision, and in vain. */
  #wasVisited({ revision }: ListedModel, { status, revision: tried, crawledAt }: KnownModel): boolean {
    if (status !== "failed" && status !== "gated") return false;
    return revision === tried && crawledAt !== null && crawledAt >= this.#startedAt.toISOString();
  }

  /** A model that was gated and still is, at a new revision, which a token will open one day. */
  async #stayGated({ id, revision }: ListedModel, { reason }: KnownModel): Promise<void> {
    await this.#options.catalog.setStatus(id, { status: "gated", reason, revision });
  }

  #passBy(id: string, known: KnownModel): void {
    this.#tally.finish(
      id,
      { status: known.status, reason: known.reason },
      isUnrelated(known) ? "unrelated" : "unchanged",
    );
  }

  /** Begins to read what the frontier holds, as fast as readers come free. */
  async #readFrontier(scope: Scope): Promise<void> {
    const { catalog } = this.#options;
    while (!this.#isFull()) {
      const models = await catalog.takeFrontier({ scope: scope.name, crawlId: this.#id, limit: FRONTIER_BATCH });
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
      this.#tally.list();
      if (!listed) await this.#putGone(id, NOT_SHOWN);
      else if (before && !needsReading(listed, before, null, this.#wanted)) {
        await catalog.touchModels([touchOf(listed)]);
        this.#passBy(id, before);
      } else {
        this.#begun++;
        await this.#queue.add({ listed, family: before?.family ?? listed.baseModel, known: before, shape: null });
      }
    }
    await this.#settle();
  }

  /** Whether the limits that the user set end the crawl early. */
  #isFull(): boolean {
    const { limit = Infinity, maxBytes = Infinity, client } = this.#options;
    return this.#begun >= limit || client.traffic.bytes - this.#before.bytes >= maxBytes;
  }

  async #known(modelIds: readonly string[]): Promise<Map<string, KnownModel>> {
    await this.#puts.finish();
    return this.#options.catalog.knownModels({ modelIds, withTensors: needsTensors(this.#wanted) });
  }

  /** Shows readers what is there so far. A copy takes as long as the catalog is large: it may take a small part of the time. */
  async #publishNowAndThen(): Promise<void> {
    if (Date.now() < this.#nextPublish) return;
    this.#nextPublish = Infinity; // the others go on meanwhile
    const start = Date.now();
    await this.#options.catalog.putCrawl(this.#record("running", null));
    await this.#options.catalog.publish();
    this.#nextPublish = Date.now() + Math.max(PUBLISH_EVERY_MS, PUBLISH_PAUSE * (Date.now() - start));
  }

  /**
   * Finds the models that listings read to their end have not shown. The hub is asked for each: a listing that changes
   * while it is read may skip one. What has gone stays in the catalog, marked.
   */
  async #markGone(scope: string, ends: readonly ListingState[]): Promise<void> {
    const { catalog, client } = this.#options;
    const [since = null] = ends.map(({ fullAt }) => fullAt ?? "").sort();
    if (!since) return;
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
    this.#tally.finish(model, { status: "gone", reason }, "gone");
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

/** A function that does its work at the first call and remembers the result. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => (result ??= work());
}
