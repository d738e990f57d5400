import type { BlockGraph, ModelInput } from "../crawler/export/graph.ts";
import { withImageSize } from "../crawler/preprocessing/build-preprocessing.ts";
import type { Preprocessing } from "../crawler/preprocessing/preprocessing.ts";
import type { TextPreprocessing } from "../crawler/text/text-preprocessing.ts";
import type { CatalogReader } from "../indexer/catalog/catalog-reader.ts";
import type { CatalogModel } from "../indexer/catalog/records.ts";
import type { BlockStore } from "../indexer/store/block-store.ts";
import { buildCandidate, type CandidateLink, type SearchCandidate } from "./build-candidate.ts";

/** What a search's items are. */
export type ItemKind = "image" | "text";

/** A model that the catalog lists but that cannot take part. */
export interface FailedModel {
  readonly model: string;
  readonly reason: string;
}

/**
 * Reads the chains of models from the catalog and works out, at the picture size of this search, what each block costs
 * and puts out. Models that take other items than `kind` count as failed.
 * @param imageSize overrides the models' own geometry, in pixels
 */
export async function loadCandidates(
  reader: CatalogReader,
  store: BlockStore,
  models: readonly CatalogModel[],
  kind: ItemKind,
  imageSize: number | undefined,
): Promise<{ readonly candidates: readonly SearchCandidate[]; readonly failed: readonly FailedModel[] }> {
  const chains = await reader.chains(models.map((model) => model.modelId));
  const graphs = new Map<string, BlockGraph>();
  const graphOf = async (hash: string): Promise<BlockGraph> => {
    const graph = graphs.get(hash) ?? (await store.readGraph(hash));
    graphs.set(hash, graph);
    return graph;
  };
  const candidates: SearchCandidate[] = [];
  const failed: FailedModel[] = [];
  for (const model of models) {
    const chain = chains.get(model.modelId);
    if (!chain || model.preprocessing === null || model.headGraph === null) {
      failed.push({ model: model.modelId, reason: model.reason ?? `its status is ${model.status}` });
      continue;
    }
    const own = JSON.parse(model.preprocessing) as Preprocessing | TextPreprocessing;
    const takes: ItemKind = "kind" in own ? "text" : "image";
    if (takes !== kind) {
      failed.push({ model: model.modelId, reason: `it takes ${ITEMS[takes]}, the data set holds ${ITEMS[kind]}` });
      continue;
    }
    const preprocessing = imageSize === undefined || "kind" in own ? own : withImageSize(own, imageSize);
    try {
      const blocks = [...chain, headBlock(model.headGraph)];
      candidates.push(await toCandidate(model, blocks, preprocessing, graphOf));
    } catch (cause) {
      failed.push({ model: model.modelId, reason: cause instanceof Error ? cause.message : String(cause) });
    }
  }
  return { candidates, failed };
}

type Link = Omit<CandidateLink, "graph">;

const headBlock = (graphHash: string): Link => ({ name: "feature", graphHash, bytes: 0, blockId: null });

async function toCandidate(
  model: CatalogModel,
  links: readonly Link[],
  preprocessing: Preprocessing | TextPreprocessing,
  graphOf: (hash: string) => Promise<BlockGraph>,
): Promise<SearchCandidate> {
  const input = JSON.parse(model.input ?? "{}") as ModelInput;
  const inputNames = input.kind === "text" ? input.names : ["pixel_values"];
  const chain = [];
  for (const link of links) chain.push({ ...link, graph: await graphOf(link.graphHash) });
  return buildCandidate({ modelId: model.modelId, revision: model.revision, preprocessing, inputNames }, chain);
}

const ITEMS: Readonly<Record<ItemKind, string>> = { image: "pictures", text: "texts" };
