import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHubClient } from "../../crawler/hub/hub-client.ts";
import { startLocalHub, type LocalHub, type LocalHubOptions } from "../../crawler/local-hub/start-local-hub.ts";
import { openCatalogReader, type CatalogReader } from "../../indexer/catalog/catalog-reader.ts";
import { openCatalogWriter } from "../../indexer/catalog/catalog-writer.ts";
import type { CrawlOptions } from "../../indexer/crawl-options.ts";
import { crawl } from "../../indexer/crawl.ts";
import type { CrawlReport } from "../../indexer/crawl-report.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";

/** A home of its own, and a hub that serves a folder to it. */
export interface CrawledHub extends AsyncDisposable {
  readonly hub: LocalHub;
  readonly home: string;
  /** Crawls models by id, one after the other, and publishes the catalog. */
  crawl(models: readonly string[], options?: Partial<CrawlOptions>): Promise<CrawlReport>;
  read<T>(work: (reader: CatalogReader) => Promise<T>): Promise<T>;
}

export async function openCrawledHub(root: string, options: Partial<LocalHubOptions> = {}): Promise<CrawledHub> {
  const hub = await startLocalHub({ root, xet: true, ...options });
  const home = await mkdtemp(join(tmpdir(), "alsatian-home-"));
  const retry = { tries: 3, firstWaitMs: 1, maxWaitMs: 2 };
  return {
    hub,
    home,
    async crawl(models, more = {}) {
      const client = createHubClient({ url: hub.url, token: null }, { retry });
      const catalog = await openCatalogWriter(home);
      try {
        const store = openBlockStore(home);
        const settings = { client, catalog, store, families: [], models, tensors: "backbone", concurrency: 1 } as const;
        return await crawl({ ...settings, ...more });
      } finally {
        await catalog.close();
        await client.close();
      }
    },
    async read(work) {
      const reader = await openCatalogReader(home);
      try {
        return await work(reader);
      } finally {
        reader.close();
      }
    },
    async [Symbol.asyncDispose]() {
      await hub.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}
