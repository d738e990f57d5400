import PQueue from "p-queue";
import { PICKLE_ONLY_REASON } from "../crawler/checkpoint/open-checkpoint.ts";
import { CheckpointError, InputError, UnsupportedModelError } from "../crawler/errors.ts";
import type { Family } from "../crawler/families.ts";
import type { HubClient } from "../crawler/hub/hub-client.ts";
import { HubError, HubUnreachableError } from "../crawler/hub/hub-error.ts";
import { openHubRepository } from "../crawler/hub/hub-repository.ts";
import { inspectModel, type InspectedModel } from "../crawler/inspect-model.ts";
import { findModel, listFamily, type ListedModel } from "../crawler/list-family.ts";
import type { CatalogWriter } from "./catalog/catalog-writer.ts";
import type { KnownModel } from "./catalog/known-models.ts";
import type { ModelTouch } from "./catalog/records.ts";
import { shapeOf, whyUnrelated, type BackboneShape } from "./backbone-shape.ts";
import type { CrawlEvent, CrawlReport, Outcome } from "./crawl-report.ts";
import { EvidenceFinder } from "./evidence/evidence-finder.ts";
import { inspectedRecords, listedRecords, type ModelOutcome } from "./model-records.ts";
import { planReads, type TensorSelection } from "./plan-reads.ts";
import { storeModel } from "./store-model.ts";
import type { StoredBackbone } from "./store-backbone.ts";
import type { BlockStore } from "./store/block-store.ts";
import { withOwnSignal } from "./with-own-signal.ts";

export interface CrawlOptions {
  readonly client: HubClient;
  readonly catalog: CatalogWriter;
  readonly store: BlockStore;
  readonly families: readonly Family[];
  /** Single models, by id. */
  readonly models: readonly string[];
  readonly tensors: TensorSelection;
  /** Models that are read at the same time. Each holds a few chunks of its stream in memory. */
  readonly concurrency: number;
  /** At most so many models that are new or changed. */
  readonly limit?: number | undefined;
  /** No model is begun once so many bytes have come down. */
  readonly maxBytes?: number | undefined;
  /** Reads listings, configurations and headers, but no weights. */
  readonly metadataOnly?: boolean;
  /** Reads what is needed to say what would be fetched, and changes nothing. */
  readonly dryRun?: boolean;
  /** Also reads torch .bin files; they are parsed, never executed. */
  readonly includePickle?: boolean;
  /** Reads every weight file whole, known or not, and compares it with the hub's sha256. */
  readonly verify?: boolean;
  /** Whether large files are read by the Xet protocol where the hub offers it. Default: yes. */
  readonly xet?: boolean;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: CrawlEvent) => void;
}

/**
 * Finds the models of families on a hub, reads what is new of them into the store and the catalog, and publishes it.
 * A model that cannot be read is listed with the reason, and the others go on.
 * @throws InputError for a base or model that does not exist, HubUnreachableError when the hub is away
 */
export async function crawl(options: CrawlOptions): Promise<CrawlReport> {
  return new Crawl(options).run();
}

/** How many models may wait for a reader: enough to keep readers busy, few enough to stay small. */
const WAITING_PER_READER = 4;
/** Readers see a long crawl's progress about so often. */
const PUBLISH_EVERY_MS = 30_000;
/** Between two publications of a large catalog passes so many times as long as one takes. */
const PUBLISH_PAUSE = 20;
/** Reasons that are counted apart, so that a hub of millions of models does not fill the memory with them. */
const MAX_REASONS = 1000;
/** Rows of one statement. */
const TOUCH_BATCH = 500;

class Crawl {
  readonly #options: CrawlOptions;
  readonly #queue: PQueue;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  readonly #counts: Record<"listed" | Outcome, number> = {
    listed: 0,
    indexed: 0,
    metadata: 0,
    unchanged: 0,
    unrelated: 0,
    unsupported: 0,
    gated: 0,
    failed: 0,
    gone: 0,
  };
  readonly #failed: { model: string; reason: string }[] = [];
  readonly #reasons: Record<string, number> = {};
  readonly #touched: ModelTouch[] = [];
  #stored = 0;
  #logical = 0;
  readonly #weights = { hash: 0, file: 0, xet: 0 };
  readonly #plain: Record<string, number> = {};
  #begun = 0;
  readonly #planned = { models: 0, requests: 0, bytes: 0 };
  #nextPublish = Date.now() + PUBLISH_EVERY_MS;
  #fatal: Error | null = null;

  constructor(options: CrawlOptions) {
    this.#options = options;
    this.#queue = new PQueue({ concurrency: options.concurrency });
    this.#signal = options.signal ? AbortSignal.any([options.signal, this.#abort.signal]) : this.#abort.signal;
  }

  async run(): Promise<CrawlReport> {
    const { client, catalog, families, models, dryRun } = this.#options;
    const start = performance.now();
    const bytesBefore = client.traffic.bytes;
    const requestsBefore = client.traffic.requests;
    try {
      for (const family of families) await this.#crawlFamily(family);
      if (models.length > 0) await this.#crawlModels(models);
    } catch (cause) {
      this.#abort.abort(cause);
      throw this.#fatal ?? cause;
    } finally {
      this.#queue.clear();
      await this.#queue.onIdle();
      if (!dryRun) await catalog.publish();
    }
    return {
      families: families.map((family) => family.name),
      models: this.#counts,
      bytes: {
        downloaded: client.traffic.bytes - bytesBefore,
        stored: this.#stored,
        logical: this.#logical,
        weights: this.#weights,
      },
      plain: this.#plain,
      requests: client.traffic.requests - requestsBefore,
      seconds: (performance.now() - start) / 1000,
      ...(dryRun && { planned: this.#planned }),
      failed: this.#failed,
      reasons: this.#reasons,
    };
  }

  async #crawlFamily(family: Family): Promise<void> {
    this.#options.onEvent?.({ kind: "family", family: family.name });
    const { catalog, client } = this.#options;
    const known = await catalog.knownModels({ families: [family.base], withTensors: this.#needsTensors() });
    const seen = new Set<string>();
    const shape = once(() => this.#shapeOf(family.base));
    for await (const model of listFamily(client, family.base, this.#signal)) {
      seen.add(model.id);
      const isStranger = model.foundBy === "name";
      const before = known.get(model.id) ?? (isStranger ? await this.#findKnown(model.id) : undefined);
      await this.#consider(model, family.base, before, isStranger ? shape : null);
      if (this.#isFull()) break;
    }
    await this.#queue.onIdle();
    this.#throwFatal();
    if (!this.#isFull()) await this.#markGone(known, seen);
    await this.#touch();
  }

  /** Whether it hangs on a model's tensors if it is read again. */
  #needsTensors(): boolean {
    return this.#options.tensors === "all" || this.#options.verify === true;
  }

  async #findKnown(id: string): Promise<KnownModel | undefined> {
    return (await this.#options.catalog.knownModels({ modelIds: [id], withTensors: this.#needsTensors() })).get(id);
  }

  async #crawlModels(ids: readonly string[]): Promise<void> {
    const known = await this.#options.catalog.knownModels({
      modelIds: ids,
      withTensors: this.#needsTensors(),
    });
    for (const id of ids) {
      const model = await findModel(this.#options.client, id);
      const family = known.get(id)?.family ?? model.baseModel;
      await this.#consider(model, family, known.get(id), null);
    }
    await this.#queue.onIdle();
    this.#throwFatal();
    await this.#touch();
  }

  /** Brings downloads, likes and dates of unchanged models up to date. */
  async #touch(): Promise<void> {
    if (!this.#options.dryRun) await this.#options.catalog.touchModels(this.#touched.splice(0));
  }

  /** Whether the limits that the user set end the crawl early. */
  #isFull(): boolean {
    const { limit = Infinity, maxBytes = Infinity, client } = this.#options;
    return this.#begun >= limit || client.traffic.bytes >= maxBytes;
  }

  async #consider(
    listed: ListedModel,
    family: string | null,
    known: KnownModel | undefined,
    shape: (() => Promise<BackboneShape | null>) | null,
  ): Promise<void> {
    this.#throwFatal();
    this.#counts.listed++;
    this.#options.onEvent?.({ kind: "listed", models: this.#counts.listed });
    if (known && this.#isUnchanged(listed, known)) {
      this.#touched.push(touchOf(listed));
      if (this.#touched.length >= TOUCH_BATCH) await this.#touch();
      const isStranger = known.status === "metadata" && known.reason !== null;
      this.#finish(listed.id, { status: known.status, reason: known.reason }, isStranger ? "unrelated" : "unchanged");
      return;
    }
    this.#begun++;
    const read = (signal: AbortSignal) => this.#read(listed, family, shape, signal);
    const work = this.#queue.add(() => withOwnSignal(this.#signal, read));
    work.catch((cause: unknown) => {
      this.#fatal ??= cause instanceof Error ? cause : new Error(String(cause));
      this.#abort.abort(cause);
    });
    if (listed.foundBy === "base") await work;
    await this.#queue.onSizeLessThan(this.#options.concurrency * WAITING_PER_READER);
  }

  #isUnchanged(listed: ListedModel, known: KnownModel): boolean {
    if (known.revision !== listed.revision) return false;
    switch (known.status) {
      case "indexed":
        if (this.#options.verify && !known.verified) return false;
        return this.#options.tensors === "backbone" || known.allTensors;
      case "unsupported":
        return !(this.#options.includePickle && known.reason === PICKLE_ONLY_REASON);
      case "metadata":
        return known.reason !== null || this.#options.metadataOnly === true;
      case "gated": // access may have been granted since
      case "failed":
      case "gone":
        return false;
    }
  }

  async #read(
    listed: ListedModel,
    family: string | null,
    shape: (() => Promise<BackboneShape | null>) | null,
    signal: AbortSignal,
  ): Promise<void> {
    if (signal.aborted) return;
    const { dryRun } = this.#options;
    this.#options.onEvent?.({ kind: "start", model: listed.id });
    let inspected: InspectedModel | null = null;
    try {
      const { client, catalog, store, includePickle, tensors, verify = false, xet = true } = this.#options;
      const repository = openHubRepository(client, listed.id, listed.revision, "model", {
        xet,
        onPlain: (path, reason) => this.#notePlain(listed.id, path, reason),
      });
      const finder = verify
        ? null
        : new EvidenceFinder({ catalog, store, repository, acceptUnverified: tensors === "backbone" });
      inspected = await inspectModel(repository, {
        includePickle,
        signal,
        ...(finder && { knownHeader: (file) => finder.header(file) }),
      });
      const plan = inspected.export;
      const stranger = shape && whyUnrelated(inspected, await shape());
      if (stranger !== null) {
        await this.#put(
          inspectedRecords(listed, null, inspected, { status: "metadata", reason: stranger }),
          "unrelated",
        );
        return;
      }
      if (plan instanceof UnsupportedModelError) throw plan;
      if (this.#options.metadataOnly) {
        await this.#put(inspectedRecords(listed, family, inspected, { status: "metadata", reason: null }));
        return;
      }
      if (dryRun) {
        const known = (await finder?.find(plan.checkpoint, inspected.files, plan.backbone, signal)) ?? new Map();
        const reads = planReads({ ...plan, files: inspected.files, tensors, known, verify });
        this.#planned.models++;
        this.#planned.requests += reads.requests;
        this.#planned.bytes += reads.bytes;
        return;
      }
      const { files } = inspected;
      const stored = await storeModel({
        plan,
        files,
        repository,
        finder,
        store,
        tensors,
        verify,
        signal,
      });
      this.#countBytes(stored.backbone);
      const reason = plan.preprocessing.assumed.length > 0 ? plan.preprocessing.assumed.join("; ") : null;
      await this.#put(inspectedRecords(listed, family, inspected, { status: "indexed", reason }, stored));
    } catch (cause) {
      const outcome = this.#outcomeOf(cause);
      await this.#put(
        inspected ? inspectedRecords(listed, family, inspected, outcome) : listedRecords(listed, family, outcome),
      );
    }
  }

  /** Shows readers what is there so far. A copy takes as long as the catalog is large: it may take a small part of the time. */
  async #publish(catalog: CatalogWriter): Promise<void> {
    this.#nextPublish = Infinity; // the others go on meanwhile
    const start = Date.now();
    await catalog.publish();
    this.#nextPublish = Date.now() + Math.max(PUBLISH_EVERY_MS, PUBLISH_PAUSE * (Date.now() - start));
  }

  #countBytes({ blocks, bytes }: StoredBackbone): void {
    for (const block of blocks) {
      this.#logical += block.bytes;
      if (!block.known) this.#stored += block.bytes;
    }
    for (const evidence of ["hash", "file", "xet"] as const) this.#weights[evidence] += bytes[evidence];
  }

  /** Counts a file that is read by plain ranges, by the reason. */
  #notePlain(model: string, path: string, reason: string): void {
    const key = reason in this.#plain || Object.keys(this.#plain).length < MAX_REASONS ? reason : "other reasons";
    this.#plain[key] = (this.#plain[key] ?? 0) + 1;
    this.#options.onEvent?.({ kind: "plain", model, path, reason });
  }

  /** What became of a model that could not be read. @throws what is no fault of the model's */
  #outcomeOf(cause: unknown): ModelOutcome {
    if (this.#signal.aborted) throw this.#signal.reason;
    if (cause instanceof UnsupportedModelError) return { status: "unsupported", reason: cause.message };
    if (cause instanceof CheckpointError) return { status: "failed", reason: cause.message };
    if (cause instanceof HubUnreachableError || cause instanceof InputError) throw cause;
    const hub = cause instanceof HubError ? cause : null;
    const code = hub?.code ?? "";
    if (hub?.isGated) {
      return { status: "gated", reason: "gated: ask for access on its page and set HF_TOKEN to your token" };
    }
    if (hub) return { status: "failed", reason: code === "" ? hub.message : `${code}: ${hub.message}` };
    throw cause;
  }

  async #put(records: Parameters<CatalogWriter["putModel"]>[0], outcome?: Outcome): Promise<void> {
    const { catalog, dryRun } = this.#options;
    if (!dryRun) await catalog.putModel(records);
    if (!dryRun && Date.now() > this.#nextPublish) await this.#publish(catalog);
    const { modelId, status, reason } = records.model;
    this.#finish(modelId, { status, reason }, outcome ?? status);
  }

  #finish(model: string, { status, reason }: ModelOutcome, outcome: Outcome): void {
    this.#counts[outcome]++;
    if (outcome === "unrelated") this.#counts.listed--;
    const isProblem = status === "failed" || status === "gated" || status === "unsupported";
    // who asks for a model by its id hears of its problem every time; a nightly crawl hears of it once
    const isNews = outcome !== "unchanged" || this.#options.models.includes(model);
    if (isProblem && isNews) this.#failed.push({ model, reason: reason ?? status });
    if (isProblem) this.#countReason(reason ?? status);
    this.#options.onEvent?.({ kind: "done", model, outcome, reason });
  }

  #countReason(reason: string): void {
    const isNew = !Object.hasOwn(this.#reasons, reason);
    const key = isNew && Object.keys(this.#reasons).length >= MAX_REASONS ? "other reasons" : reason;
    this.#reasons[key] = (this.#reasons[key] ?? 0) + 1;
  }

  /** Models that the hub no longer lists stay in the catalog, marked. */
  async #markGone(known: ReadonlyMap<string, KnownModel>, seen: ReadonlySet<string>): Promise<void> {
    if (this.#options.dryRun) return;
    for (const [id, { status }] of known) {
      if (seen.has(id) || status === "gone") continue;
      await this.#options.catalog.setStatus(id, { status: "gone", reason: "the hub no longer lists it" });
      this.#counts.gone++;
    }
  }

  async #shapeOf(base: string): Promise<BackboneShape | null> {
    const { client } = this.#options;
    const { revision } = await findModel(client, base);
    const repository = openHubRepository(client, base, revision);
    const { includePickle } = this.#options;
    return shapeOf(base, await inspectModel(repository, { includePickle, signal: this.#signal }));
  }

  #throwFatal(): void {
    if (this.#fatal !== null) throw this.#fatal;
    this.#signal.throwIfAborted();
  }
}

/** A function that does its work at the first call and remembers the result. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => (result ??= work());
}

const touchOf = ({ id, downloads, likes, gated, lastModified }: ListedModel) => ({
  modelId: id,
  downloads,
  likes,
  gated,
  lastModified,
});
