import { elementCount, type BlockGraph, type TensorInfo } from "../crawler/export/graph.ts";
import { inferGraph } from "../crawler/export/infer-graph.ts";
import { preprocessingKey, type Preprocessing } from "../crawler/preprocessing/preprocessing.ts";
import type { TextPreprocessing } from "../crawler/text/text-preprocessing.ts";
import { nextPrefixId, rootPrefixId } from "../indexer/hash-block.ts";
import type { Candidate, ChainBlock, ChainRoot } from "./plan/candidate.ts";
import type { ByteRate } from "./plan/extent.ts";

/** A candidate, and what its items go through before its chain. */
export interface SearchCandidate extends Candidate {
  readonly preprocessing: Preprocessing | TextPreprocessing;
  /** The model's inputs by name; pictures have one. */
  readonly inputNames: readonly string[];
}

/** A block of a candidate's chain, or the head behind it, with its graph. */
export interface CandidateLink {
  readonly name: string;
  /** Null for the head. */
  readonly blockId: string | null;
  readonly graphHash: string;
  /** float32 bytes of its weights. */
  readonly bytes: number;
  readonly graph: BlockGraph;
}

/**
 * Works out what each block of a chain costs and puts out, for the items that its preprocessing makes.
 * @throws ShapeError when a graph does not take them
 */
export function buildCandidate(
  model: Omit<SearchCandidate, "root" | "blocks">,
  links: readonly CandidateLink[],
): SearchCandidate {
  const root = rootOf(model.preprocessing, model.inputNames);
  const further: TensorInfo[] = model.inputNames.slice(1).map(() => ({ dims: root.info.dims }));
  let info: TensorInfo = root.info;
  let prefixId = root.key;
  const blocks = links.map(({ name, blockId, graphHash, bytes, graph }): ChainBlock => {
    const inferred = inferGraph(graph, [info, ...further.slice(0, graph.inputs.length - 1)]);
    info = inferred.output;
    prefixId = nextPrefixId(prefixId, blockId ?? graphHash);
    return {
      name,
      prefixId,
      blockId,
      graphHash,
      weightBytes: bytes,
      flopsPerItem: inferred.flopsPerItem,
      output: info,
      outputBytes: byteRate(info, root.isKept),
      operators: [...new Set(graph.nodes.map(({ operator }) => operator))],
    };
  });
  return { ...model, root, blocks };
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
