import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createHubClient, type HubClientOptions } from "../../crawler/hub/hub-client.ts";
import {
  startLocalHub,
  type HubSettingsInput,
  type LocalHub,
  type LocalHubOptions,
} from "../../crawler/local-hub/start-local-hub.ts";
import { packageFile } from "../../crawler/package-file.ts";
import { openCatalogReader } from "../../indexer/catalog/catalog-reader.ts";
import { openCatalogWriter, openForgetfulWriter } from "../../indexer/catalog/catalog-writer.ts";
import type { CrawlOptions } from "../../indexer/crawl-options.ts";
import { crawl } from "../../indexer/crawl.ts";
import type { CrawlReport } from "../../indexer/crawl-report.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";

export const BASE = "facebook/detr-resnet-50";
/** A fine-tune of the base, one of that fine-tune, and two more of the base, in the order in which they were modified. */
export const TUNED = "acme-vision/detr-resnet-50-meter-digits";
export const TUNED_TWICE = "harbor-labs/detr-resnet-50-meter-digits-v2";
export const OTHERS = ["northwind/detr-resnet-50-odd-even", "harbor-labs/detr-resnet-50-night-shift"] as const;
export const MODELS: readonly string[] = [BASE, TUNED, TUNED_TWICE, ...OTHERS];

type RepositoryInput = NonNullable<HubSettingsInput["repositories"]>[string];

export interface CrawlRun extends Partial<Omit<CrawlOptions, "client" | "catalog">> {
  readonly token?: string;
  readonly client?: HubClientOptions;
  readonly now?: () => Date;
}

/** A hub of five small models of one family, and a home that crawls it; both in folders of their own. */
export interface CrawlFixture extends AsyncDisposable {
  readonly home: string;
  readonly hub: LocalHub;
  /** Writes a file of a model, as a new commit made at a time. */
  commit(id: string, files: Readonly<Record<string, string | Uint8Array>>, lastModified: string): Promise<void>;
  set(id: string, settings: RepositoryInput): Promise<void>;
  remove(id: string): Promise<void>;
  /** Crawls the family; `requests` of the hub then holds what this crawl asked. */
  run(options?: CrawlRun): Promise<CrawlReport>;
  rows(sql: string): Promise<Record<string, unknown>[]>;
}

/** Modified a day apart, so that a page of one model ends in another one's time. */
const modifiedAt = (index: number): string => `2026-01-0${index + 1}T00:00:00.000Z`;

export async function makeCrawl(hubOptions: Partial<LocalHubOptions> = {}): Promise<CrawlFixture> {
  const folder = await mkdtemp(join(tmpdir(), "alsatian-crawl-"));
  const root = join(folder, "hub");
  const home = join(folder, "home");
  const repositories: Record<string, RepositoryInput> = {};
  for (const [index, id] of MODELS.entries()) {
    await cp(packageFile("data", "sample-hub", ...id.split("/")), join(root, id), { recursive: true });
    repositories[id] = { lastModified: modifiedAt(index) };
  }
  const tokens = { hf_member: { name: "member", mayRead: MODELS }, hf_stranger: { name: "stranger" } };
  const save = () => writeFile(join(root, "hub.json"), JSON.stringify({ repositories, tokens }));
  const set = async (id: string, settings: RepositoryInput) => {
    repositories[id] = { ...repositories[id], ...settings };
    await save();
  };
  await save();
  const hub = await startLocalHub({ root, ...hubOptions });
  return {
    home,
    hub,
    set,
    async commit(id, files, lastModified) {
      for (const [name, content] of Object.entries(files)) {
        await mkdir(dirname(join(root, id, name)), { recursive: true });
        await writeFile(join(root, id, name), content);
      }
      await set(id, { lastModified });
    },
    remove: (id) => rm(join(root, id), { recursive: true }),
    async run({ token, client: clientOptions, now, ...options } = {}) {
      hub.requests.length = 0;
      const catalog = await (options.dryRun ? openForgetfulWriter : openCatalogWriter)(home, now);
      const retry = { tries: 2, firstWaitMs: 1, maxWaitMs: 1 };
      const client = createHubClient({ url: hub.url, token: token ?? null }, { retry, ...clientOptions });
      try {
        return await crawl({
          client,
          catalog,
          store: openBlockStore(home),
          families: [{ name: "detr-resnet-50", base: BASE, task: "", architecture: "" }],
          models: [],
          tensors: "backbone",
          concurrency: 2,
          ...options,
        });
      } finally {
        await client.close();
        await catalog.close();
      }
    },
    async rows(sql) {
      const reader = await openCatalogReader(home);
      const connection = await reader.connect();
      try {
        return (await connection.runAndReadAll(sql)).getRowObjectsJson();
      } finally {
        connection.closeSync();
        reader.close();
      }
    },
    async [Symbol.asyncDispose]() {
      await hub.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What a catalog says of models, times and ids of crawls aside: equal after any faults that a crawl got over. */
export async function contentOf({ rows }: Pick<CrawlFixture, "rows">): Promise<Record<string, unknown[]>> {
  const content: Record<string, unknown[]> = {};
  for (const table of ["models", "files", "tensors", "blocks", "block_tensors", "model_blocks", "frontier"]) {
    const columns = { models: "* EXCLUDE (crawled_at)", frontier: "* EXCLUDE (tried_by)" }[table] ?? "*";
    content[table] = await rows(`SELECT ${columns} FROM ${table} ORDER BY ALL`);
  }
  return content;
}
