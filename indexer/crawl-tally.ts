import type { ListedModel } from "../crawler/listed-model.ts";
import type { KnownModel } from "./catalog/known-models.ts";
import type { CrawlCount, Evidence } from "./catalog/records.ts";
import type { CrawlEvent, Outcome, PlannedRead } from "./crawl-report.ts";
import type { ModelOutcome } from "./model-records.ts";
import { isUnrelated } from "./needs-reading.ts";
import type { ReadPlan } from "./plan-reads.ts";
import type { StoredBackbone } from "./store-backbone.ts";

/** Reasons that are counted apart, and models that are named one by one, so that a hub of millions does not fill the memory. */
const MAX_REASONS = 1000;
const MAX_NAMED = 10_000;

/** What became of the models of a crawl, counted. */
export class CrawlTally {
  readonly counts: Record<CrawlCount, number> = {
    listed: 0,
    indexed: 0,
    carried: 0,
    metadata: 0,
    unchanged: 0,
    unrelated: 0,
    unsupported: 0,
    gated: 0,
    failed: 0,
    gone: 0,
  };
  readonly failed: { model: string; reason: string }[] = [];
  readonly reasons: Record<string, number> = {};
  /** What a dry run would read of weights. */
  readonly planned = { models: 0, requests: 0, bytes: 0, list: new Array<PlannedRead>() };
  /** float32 bytes of blocks that the store did not have, and of all backbones that were indexed. */
  stored = 0;
  logical = 0;
  /** Bytes of the tensors that were wanted, by how their hashes are known. */
  readonly weights: Record<Evidence, number> = { hash: 0, file: 0, xet: 0 };
  /** How many large files were read by plain ranges, by reason. */
  readonly plain: Record<string, number> = {};
  readonly #asked: ReadonlySet<string>;
  readonly #onEvent: (event: CrawlEvent) => void;

  /** @param options.asked models that were asked for by their ids */
  constructor(options: { readonly asked: readonly string[]; readonly onEvent: (event: CrawlEvent) => void }) {
    this.#asked = new Set(options.asked);
    this.#onEvent = options.onEvent;
  }

  /** Counts models that listings show. */
  list(models = 1): void {
    this.counts.listed += models;
    this.#onEvent({ kind: "listed", models: this.counts.listed });
  }

  finish(model: string, { status, reason }: ModelOutcome, outcome: Outcome): void {
    this.counts[outcome]++;
    if (outcome === "unrelated") this.counts.listed--;
    const isProblem = status === "failed" || status === "gated" || status === "unsupported";
    // who asks for a model by its id hears of its problem every time; a nightly crawl hears of it once
    const isNews = outcome !== "unchanged" || this.#asked.has(model);
    if (isProblem && isNews && this.failed.length < MAX_NAMED) this.failed.push({ model, reason: reason ?? status });
    if (isProblem) countIn(this.reasons, reason ?? status);
    this.#onEvent({ kind: "done", model, outcome, reason });
  }

  /** Counts a model of which nothing has to be read. */
  passBy(model: string, known: KnownModel): void {
    this.finish(model, known, isUnrelated(known) ? "unrelated" : "unchanged");
  }

  /** Counts what a crawl would fetch of a model's weights. */
  plan({ id, revision }: ListedModel, isNew: boolean, { requests, bytes }: ReadPlan): void {
    this.planned.models++;
    this.planned.requests += requests;
    this.planned.bytes += bytes;
    if (this.planned.list.length >= MAX_NAMED) return;
    this.planned.list.push({ model: id, revision, isNew, requests, bytes });
  }

  /** Counts what was brought into the store. */
  store({ blocks, bytes }: StoredBackbone): void {
    for (const block of blocks) {
      this.logical += block.bytes;
      if (!block.known) this.stored += block.bytes;
    }
    for (const evidence of ["hash", "file", "xet"] as const) this.weights[evidence] += bytes[evidence];
  }

  /** Counts a large file that is read by plain ranges, by the reason. */
  notePlain(model: string, path: string, reason: string): void {
    countIn(this.plain, reason);
    this.#onEvent({ kind: "plain", model, path, reason });
  }
}

/** Counts by reason; those beyond what is counted apart are counted together. */
function countIn(counts: Record<string, number>, reason: string): void {
  const isNew = !Object.hasOwn(counts, reason);
  const key = isNew && Object.keys(counts).length >= MAX_REASONS ? "other reasons" : reason;
  counts[key] = (counts[key] ?? 0) + 1;
}
