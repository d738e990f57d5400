import type { CatalogWriter } from "./catalog/catalog-writer.ts";
import type { CrawlLog } from "./crawl-log.ts";

/** Readers see a long crawl's progress about so often. */
const PUBLISH_EVERY_MS = 30_000;
/** Between two publications of a large catalog passes so many times as long as one takes. */
const PUBLISH_PAUSE = 20;

/** Shows readers what is there so far. A copy takes as long as the catalog is large: it may take a small part of the time. */
export class ProgressPublisher {
  readonly #catalog: CatalogWriter;
  readonly #log: CrawlLog;
  #next = Date.now() + PUBLISH_EVERY_MS;

  constructor(catalog: CatalogWriter, log: CrawlLog) {
    this.#catalog = catalog;
    this.#log = log;
  }

  async publishWhenDue(): Promise<void> {
    if (Date.now() < this.#next) return;
    this.#next = Infinity; // the others go on meanwhile
    const start = Date.now();
    await this.#catalog.putCrawl(this.#log.record("running", null));
    await this.#catalog.publish();
    this.#next = Date.now() + Math.max(PUBLISH_EVERY_MS, PUBLISH_PAUSE * (Date.now() - start));
  }
}
