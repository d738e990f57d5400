import type { CatalogReader } from "../indexer/catalog/catalog-reader.ts";
import type { CatalogModel, ChainBlock as CatalogBlock } from "../indexer/catalog/records.ts";
import type { BlockStore } from "../indexer/store/block-store.ts";
import { nextPrefixId, rootPrefixId } from "../indexer/hash-block.ts";
import { elementCount, type BlockGraph, type TensorInfo } from "../crawler/export/graph.ts";
import { inferGraph } from "../crawler/export/infer-graph.ts";
import { withImageSize } from "../crawler/preprocessing/build-preprocessing.ts";
import { preprocessingKey, type Preprocessing } from "../crawler/preprocessing/preprocessing.ts";
import type { Candidate, ChainBlock } from "./plan/candidate.ts";

/** A candidate, and what its items go through before its chain. */
export interface SearchCandidate extends Candidate {
  readonly preprocessing: Preprocessing;
}

/** A model that the catalog lists but that cannot take part. */
export interface FailedModel {
  readonly model: string;
  readonly reason: string;
}

/**
 * Reads the chains of models from the catalog and works out, at the picture size of this search, what each block costs
 * and puts out.
 * @param imageSize overrides the models' own geometry, in pixels
 */
export async function loadCandidates(
  reader: CatalogReader,
  store: BlockStore,
  models: readonly CatalogModel[],
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
    const own = JSON.parse(model.preprocessing) as Preprocessing;
    const preprocessing = imageSize === undefined ? own : withImageSize(own, imageSize);
    try {
      const blocks = [...chain, headBlock(model.headGraph)];
      candidates.push(await toCandidate(model, blocks, preprocessing, graphOf));
    } catch (cause) {
      failed.push({ model: model.modelId, reason: cause instanceof Error ? cause.message : String(cause) });
    }
  }
  return { candidates, failed };
}

type Link = Pick<CatalogBlock, "name" | "graphHash" | "bytes"> & { readonly blockId: string | null };

const headBlock = (graphHash: string): Link => ({ name: "feature", graphHash, bytes: 0, blockId: null });

async function toCandidate(
  model: CatalogModel,
  links: readonly Link[],
  preprocessing: Preprocessing,
  graphOf: (hash: string) => Promise<BlockGraph>,
): Promise<SearchCandidate> {
  const dims = [3, preprocessing.height, preprocessing.width];
  const key = rootPrefixId(preprocessingKey(preprocessing));
  const root = { key, info: { dims }, bytes: { perItem: elementCount(dims), perToken: 0 }, isKept: false };
  let info: TensorInfo = { dims };
  let prefixId = root.key;
  const blocks: ChainBlock[] = [];
  for (const { name, blockId, graphHash, bytes } of links) {
    const inferred = inferGraph(await graphOf(graphHash), [info]);
    info = inferred.output;
    prefixId = nextPrefixId(prefixId, blockId ?? graphHash);
    blocks.push({
      name,
      prefixId,
      blockId,
      graphHash,
      weightBytes: bytes,
      flopsPerItem: inferred.flopsPerItem,
      output: info,
      outputBytes: { perItem: 4 * elementCount(info.dims), perToken: 0 },
    });
  }
  return { modelId: model.modelId, revision: model.revision, root, blocks, preprocessing };
}
