import { randomBytes } from "node:crypto";
import type { CrawlOutcome, CrawlRecord } from "./catalog/records.ts";
import type { CrawlOptions } from "./crawl-options.ts";
import type { CrawlReport } from "./crawl-report.ts";
import { CrawlTally } from "./crawl-tally.ts";
import type { Wanted } from "./needs-reading.ts";

/** What a crawl has done so far, as the catalog's log and the report at the end tell it. */
export class CrawlLog {
  readonly id: string;
  readonly startedAt: Date;
  /** The hub's name in the catalog. */
  readonly hub: string;
  readonly tally: CrawlTally;
  /** Models that can be read and were left for another crawl. */
  waiting = 0;
  readonly #options: CrawlOptions;
  readonly #wanted: Wanted;
  readonly #before: { readonly bytes: number; readonly requests: number; readonly retries: number };

  constructor(options: CrawlOptions, wanted: Wanted) {
    const { client, catalog, models } = options;
    this.#options = options;
    this.#wanted = wanted;
    this.startedAt = catalog.now();
    this.id = `${this.startedAt.toISOString().replace(/\D/g, "").slice(0, 14)}-${randomBytes(2).toString("hex")}`;
    this.hub = options.hubName ?? client.url;
    this.tally = new CrawlTally({ asked: models, onEvent: (event) => options.onEvent?.(event) });
    this.#before = { ...client.traffic };
  }

  /** Bytes that have come down so far. */
  get downloaded(): number {
    return this.#options.client.traffic.bytes - this.#before.bytes;
  }

  /** The crawl's line in the log, as it is now. */
  record(outcome: CrawlOutcome, reason: string | null): CrawlRecord {
    const { client, catalog, families, models, everything, tensors, limit, maxBytes } = this.#options;
    const { metadataOnly, includePickle, verify } = this.#wanted;
    const { traffic } = client;
    const asked = {
      families: families.map(({ base }) => base),
      models: models.length,
      everything: everything === true,
    };
    return {
      crawlId: this.id,
      startedAt: this.startedAt.toISOString(),
      finishedAt: outcome === "running" ? null : catalog.now().toISOString(),
      hub: this.hub,
      args: JSON.stringify({ ...asked, tensors, metadataOnly, includePickle, verify, limit, maxBytes }),
      outcome,
      reason,
      requests: traffic.requests - this.#before.requests,
      retries: traffic.retries - this.#before.retries,
      bytes: { downloaded: this.downloaded, stored: this.tally.stored, logical: this.tally.logical },
      models: { ...this.tally.counts },
      waiting: this.waiting,
    };
  }

  report(outcome: CrawlOutcome, seconds: number): CrawlReport {
    const { families, dryRun } = this.#options;
    const { models, bytes, requests, retries, waiting } = this.record(outcome, null);
    const { weights, plain, planned, failed, reasons } = this.tally;
    return {
      crawl: this.id,
      outcome,
      families: families.map((family) => family.name),
      models,
      bytes: { ...bytes, weights },
      plain,
      requests,
      retries,
      seconds,
      waiting,
      ...(dryRun && { planned }),
      failed,
      reasons,
    };
  }
}
