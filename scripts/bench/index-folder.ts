import { inspectModel } from "../../crawler/inspect-model.ts";
import { openLocalRepository } from "../../crawler/local-repository.ts";
import { openCatalogWriter } from "../../indexer/catalog/catalog-writer.ts";
import { inspectedRecords } from "../../indexer/model-records.ts";
import { storeModel } from "../../indexer/store-model.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";

/**
 * Indexes a model folder into a home, as a crawl does after its download: header, blocks, catalog, published snapshot.
 * @returns how many blocks the store did not have
 */
export async function indexFolder(folder: string, home: string): Promise<number> {
  const repository = await openLocalRepository(folder);
  const inspected = await inspectModel(repository);
  const { export: plan } = inspected;
  if (plan instanceof Error) throw plan;
  const store = openBlockStore(home);
  const stored = await storeModel({
    ...{ plan, files: inspected.files, repository, finder: null, store },
    ...{ tensors: "all", verify: false, signal: new AbortController().signal },
  });
  const catalog = await openCatalogWriter(home);
  try {
    const outcome = { status: "indexed", reason: null } as const;
    await catalog.putModel(inspectedRecords(LISTED, null, inspected, outcome, stored));
    await catalog.publish();
  } finally {
    await catalog.close();
  }
  return stored.backbone.blocks.filter(({ known }) => !known).length;
}

const LISTED = {
  id: "bench/checkpoint",
  revision: "0".repeat(40),
  lastModified: "2025-01-01T00:00:00.000Z",
  createdAt: null,
  downloads: 0,
  likes: 0,
  gated: null,
  pipelineTag: null,
  library: null,
  license: null,
  baseModel: null,
  foundBy: "id",
} as const;
