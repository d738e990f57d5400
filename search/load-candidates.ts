import type { CatalogReader } from "../indexer/catalog/catalog-reader.ts";
import type { CatalogModel, ChainBlock as CatalogBlock } from "../indexer/catalog/records.ts";
import type { BlockStore } from "../indexer/store/block-store.ts";
import { nextPrefixId, rootPrefixId } from "../indexer/hash-block.ts";
import { elementCount, type BlockGraph, type ModelInput, type TensorInfo } from "../crawler/export/graph.ts";
import { inferGraph } from "../crawler/export/infer-graph.ts";
import { withImageSize } from "../crawler/preprocessing/build-preprocessing.ts";
import { preprocessingKey, type Preprocessing } from "../crawler/preprocessing/preprocessing.ts";
import type { TextPreprocessing } from "../crawler/text/text-preprocessing.ts";
import type { Candidate, ChainBlock, ChainRoot } from "./plan/candidate.ts";
import type { ByteRate } from "./plan/extent.ts";

/** A candidate, and what its items go through before its chain. */
export interface SearchCandidate extends Candidate {
  readonly preprocessing: Preprocessing | TextPreprocessing;
  /** The model's inputs by name; pictures have one. */
  readonly inputNames: readonly string[];
}

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

type Link = Pick<CatalogBlock, "name" | "graphHash" | "bytes"> & { readonly blockId: string | null };

const headBlock = (graphHash: string): Link => ({ name: "feature", graphHash, bytes: 0, blockId: null });

async function toCandidate(
  model: CatalogModel,
  links: readonly Link[],
  preprocessing: Preprocessing | TextPreprocessing,
  graphOf: (hash: string) => Promise<BlockGraph>,
): Promise<SearchCandidate> {
  const input = JSON.parse(model.input ?? "{}") as ModelInput;
  const inputNames = input.kind === "text" ? input.names : ["pixel_values"];
  const root = rootOf(preprocessing, inputNames);
  const further: TensorInfo[] = inputNames.slice(1).map(() => ({ dims: root.info.dims }));
  let info: TensorInfo = root.info;
  let prefixId = root.key;
  const blocks: ChainBlock[] = [];
  for (const { name, blockId, graphHash, bytes } of links) {
    const graph = await graphOf(graphHash);
    const inferred = inferGraph(graph, [info, ...further.slice(0, graph.inputs.length - 1)]);
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
      outputBytes: byteRate(info, root.isKept),
    });
  }
  return { modelId: model.modelId, revision: model.revision, root, blocks, preprocessing, inputNames };
}

/** Tokens of the text that costs are stated for; what is planned follows from the real lengths. */
const NOMINAL_TOKENS = 128;
/** Ids and masks are int64. */
const ID_BYTES = 8;

function rootOf(preprocessing: Preprocessing | TextPreprocessing, inputNames: readonly string[]): ChainRoot {
  const key = rootPrefixId(preprocessingKey(preprocessing), inputNames.slice(1));
  if ("kind" in preprocessing) {
    const dims = [Math.min(preprocessing.maxTokens, NOMINAL_TOKENS)];
    return { key, info: { dims }, bytes: { perItem: 0, perToken: ID_BYTES * inputNames.length }, isKept: true };
  }
  const dims = [3, preprocessing.height, preprocessing.width];
  return { key, info: { dims }, bytes: { perItem: elementCount(dims), perToken: 0 }, isKept: false };
}

/** Bytes of a float32 result; where items are texts, those of a value with a tokens' axis follow from its length. */
const byteRate = ({ dims }: TensorInfo, isText: boolean): ByteRate =>
  isText && dims.length === 2
    ? { perItem: 0, perToken: 4 * (dims[1] ?? 0) }
    : { perItem: 4 * elementCount(dims), perToken: 0 };

const ITEMS: Readonly<Record<ItemKind, string>> = { image: "pictures", text: "texts" };
