import type { Family } from "../crawler/families.ts";
import type { HubClient } from "../crawler/hub/hub-client.ts";
import type { CatalogWriter } from "./catalog/catalog-writer.ts";
import type { CrawlEvent } from "./crawl-report.ts";
import type { TensorSelection } from "./plan-reads.ts";
import type { BlockStore } from "./store/block-store.ts";

/** What is crawled, and how. */
export interface CrawlOptions {
  readonly client: HubClient;
  /** Of a dry run: one that forgets. */
  readonly catalog: CatalogWriter;
  readonly store: BlockStore;
  readonly families: readonly Family[];
  /** Single models, by id. */
  readonly models: readonly string[];
  /** Also every model that the hub lists. */
  readonly everything?: boolean | undefined;
  readonly tensors: TensorSelection;
  /** Models that are read at the same time. Each holds a few chunks of its stream in memory. */
  readonly concurrency: number;
  /** At most so many models that are new or changed. */
  readonly limit?: number | undefined;
  /** No model is begun once so many bytes have come down. */
  readonly maxBytes?: number | undefined;
  /** Reads listings, configurations and headers, but no weights. */
  readonly metadataOnly?: boolean;
  /** Reads what is needed to say what would be fetched, and stores nothing. */
  readonly dryRun?: boolean;
  /** Also reads torch .bin files; they are parsed, never executed. */
  readonly includePickle?: boolean;
  /** Reads every weight file whole, known or not, and compares it with the hub's sha256. */
  readonly verify?: boolean;
  /** Whether large files are read by the Xet protocol where the hub offers it. Default: yes. */
  readonly xet?: boolean;
  /** Reads listings to their end, which finds models that have gone. */
  readonly fullListing?: boolean | undefined;
  /** The hub's name in the catalog, where its address changes. Default: the address. */
  readonly hubName?: string | undefined;
  /** Models on a page of a listing. */
  readonly pageSize?: number | undefined;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: CrawlEvent) => void;
}
