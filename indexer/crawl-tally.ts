import { planRanges } from "../crawler/fetch-tensors.ts";
import type { ExportPlan } from "../crawler/inspect-model.ts";
import type { ListedModel } from "../crawler/listed-model.ts";
import type { CrawlCount } from "./catalog/records.ts";
import type { CrawlEvent, Outcome, PlannedRead } from "./crawl-report.ts";
import type { ModelOutcome } from "./model-records.ts";
import type { TensorSelection } from "./store-backbone.ts";

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
    if (isProblem) this.#countReason(reason ?? status);
    this.#onEvent({ kind: "done", model, outcome, reason });
  }

  /** Counts what a crawl would fetch of a model's weights. */
  plan({ id, revision }: ListedModel, isNew: boolean, { backbone, checkpoint }: ExportPlan, tensors: TensorSelection) {
    const wanted = new Set(backbone.blocks.flatMap((block) => block.tensors.map((tensor) => tensor.name)));
    const ranges = planRanges(
      [...checkpoint.tensors.values()].filter(({ name }) => tensors === "all" || wanted.has(name)),
    );
    const bytes = ranges.reduce((sum, range) => sum + range.end - range.begin, 0);
    this.planned.models++;
    this.planned.requests += ranges.length;
    this.planned.bytes += bytes;
    if (this.planned.list.length >= MAX_NAMED) return;
    this.planned.list.push({ model: id, revision, isNew, requests: ranges.length, bytes });
  }

  #countReason(reason: string): void {
    const isNew = !Object.hasOwn(this.reasons, reason);
    const key = isNew && Object.keys(this.reasons).length >= MAX_REASONS ? "other reasons" : reason;
    this.reasons[key] = (this.reasons[key] ?? 0) + 1;
  }
}
