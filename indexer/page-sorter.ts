import type { ListedModel } from "../crawler/listed-model.ts";
import type { CatalogWriter } from "./catalog/catalog-writer.ts";
import type { KnownModel } from "./catalog/known-models.ts";
import type { FrontierModel, ModelTouch } from "./catalog/records.ts";
import type { PageChange } from "./crawl-listing.ts";
import type { CrawlLog } from "./crawl-log.ts";
import { touchOf } from "./model-records.ts";
import { EVERYTHING, isUnrelated, needsReading, type Wanted } from "./needs-reading.ts";

/** Tells the known models of a listing's page from those that have to be read, and counts them. */
export class PageSorter {
  readonly #catalog: CatalogWriter;
  readonly #wanted: Wanted;
  readonly #log: CrawlLog;

  constructor(catalog: CatalogWriter, wanted: Wanted, log: CrawlLog) {
    this.#catalog = catalog;
    this.#wanted = wanted;
    this.#log = log;
  }

  /**
   * @param known what the catalog holds of the page's models, by id
   * @param scope full id of a family's base, or `*` for all models
   * @param counted a model that has been counted already
   */
  async sort(
    models: readonly ListedModel[],
    known: ReadonlyMap<string, KnownModel>,
    scope: string,
    counted: string | null,
  ): Promise<PageChange> {
    const touched: ModelTouch[] = [];
    const changed: FrontierModel[] = [];
    for (const listed of models) {
      const before = known.get(listed.id);
      const waitsFor = listed.foundBy === "name" ? listed.baseModel : null;
      const isMember = before?.family === scope || (before !== undefined && isUnrelated(before));
      if (before && this.#wasVisited(listed, before)) {
        touched.push(touchOf(listed)); // by an earlier crawl's list of what to read again
      } else if (needsReading(listed, before, scope, this.#wanted)) {
        const family = scope === EVERYTHING ? (before?.family ?? listed.baseModel) : scope;
        changed.push({ listed, family, waitsFor: isMember ? null : waitsFor });
        if (waitsFor !== null && !isMember) continue; // counted when it is let in
      } else {
        touched.push(touchOf(listed));
        if (before?.status === "gated" && before.revision !== listed.revision) await this.#stayGated(listed, before);
        if (before && listed.id !== counted) this.#log.tally.passBy(listed.id, before);
      }
      if (listed.id !== counted) this.#log.tally.list();
    }
    return { touched, changed };
  }

  /** Whether this crawl has tried the model at this revision, and in vain. */
  #wasVisited({ revision }: ListedModel, { status, revision: tried, crawledAt }: KnownModel): boolean {
    if (status !== "failed" && status !== "gated") return false;
    return revision === tried && crawledAt !== null && crawledAt >= this.#log.startedAt.toISOString();
  }

  /** A model that was gated and still is, at a new revision, which a token will open one day. */
  async #stayGated({ id, revision }: ListedModel, { reason }: KnownModel): Promise<void> {
    await this.#catalog.setStatus(id, { status: "gated", reason, revision });
  }
}
