import { tensorBytes } from "../crawler/checkpoint/open-checkpoint.ts";
import { elementCount, inputDims, type Backbone, type TensorInfo } from "../crawler/export/graph.ts";
import { inferGraph, normalisationSlots } from "../crawler/export/infer-graph.ts";
import { weightBytes } from "../crawler/export/weight-layout.ts";
import type { ExportPlan, InspectedModel } from "../crawler/inspect-model.ts";
import type { ListedModel } from "../crawler/listed-model.ts";
import type { FileTerm } from "../crawler/xet/file-term.ts";
import { preprocessingKey } from "../crawler/preprocessing/preprocessing.ts";
import type {
  BlockRecord,
  IndexedModelWithDetails,
  ModelDetails,
  ModelRecord,
  ModelStatus,
  ModelTouch,
  TensorRecord,
} from "./catalog/records.ts";
import { graphHash, prefixIds, rootPrefixId } from "./hash-block.ts";
import type { StoredBackbone } from "./store-backbone.ts";

/** How far a crawl got with a model. */
export interface ModelOutcome {
  readonly status: ModelStatus;
  readonly reason: string | null;
}

/** The rows of a model of which no more is known than its listing tells. */
export function listedRecords(
  listed: ListedModel,
  family: string | null,
  outcome: ModelOutcome,
): IndexedModelWithDetails {
  return { model: modelRecord(listed, family, outcome), files: [], tensors: [], blocks: [] };
}

/** What the store holds of a model, and what of its files is known. */
export interface StoredModel {
  readonly plan: ExportPlan;
  readonly backbone: StoredBackbone;
  /** What weight files are made of, by path. */
  readonly terms: ReadonlyMap<string, readonly FileTerm[]>;
  /** Files that equal one which was verified. */
  readonly verified: ReadonlySet<string>;
}

/** The rows of a model whose files were read; with its blocks when they are stored. */
export function inspectedRecords(
  listed: ListedModel,
  family: string | null,
  inspected: InspectedModel,
  outcome: ModelOutcome,
  stored?: StoredModel,
): IndexedModelWithDetails {
  const tensors = [...(inspected.checkpoint?.tensors.values() ?? [])];
  const weightFiles = new Set(inspected.checkpoint?.files);
  const plan = inspected.export instanceof Error ? null : inspected.export;
  return {
    model: {
      ...modelRecord(listed, family, outcome),
      architecture: plan?.backbone.architecture ?? null,
      modelType: inspected.modelType,
      parameters: inspected.checkpoint ? tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0) : null,
      bytes: inspected.files.reduce((sum, { path, size }) => sum + (weightFiles.has(path) ? size : 0), 0),
      backboneParameters: plan
        ? plan.backbone.blocks.reduce((sum, { graph }) => sum + weightBytes(graph) / 4, 0)
        : null,
    },
    files: inspected.files.map((file) => {
      const isVerified = stored?.backbone.verified.has(file.path) || stored?.verified.has(file.path);
      return { ...file, verified: isVerified ? "sha256" : null };
    }),
    ...(stored && { terms: stored.terms }),
    tensors: tensorRecords(inspected, plan?.backbone ?? null, stored?.backbone.tensors ?? new Map()),
    blocks: stored ? blockRecords(stored.plan, stored.backbone) : [],
    ...details(inspected, plan),
  };
}

/** What a listing tells of a model whose revision the catalog has. */
export const touchOf = ({ id, downloads, likes, gated, lastModified }: ListedModel): ModelTouch => ({
  modelId: id,
  downloads,
  likes,
  gated,
  lastModified,
});

function modelRecord(listed: ListedModel, family: string | null, outcome: ModelOutcome): ModelRecord {
  return {
    modelId: listed.id,
    revision: listed.revision,
    family,
    baseModel: listed.baseModel,
    architecture: null,
    modelType: null,
    pipelineTag: listed.pipelineTag,
    library: listed.library,
    license: listed.license,
    downloads: listed.downloads,
    likes: listed.likes,
    gated: listed.gated,
    createdAt: listed.createdAt,
    lastModified: listed.lastModified,
    parameters: null,
    bytes: null,
    backboneParameters: null,
    ...outcome,
  };
}

const details = ({ config }: InspectedModel, plan: ExportPlan | null): Partial<ModelDetails> => ({
  config: config === undefined ? null : JSON.stringify(config),
  preprocessing: plan ? JSON.stringify(plan.preprocessing.preprocessing) : null,
  input: plan ? JSON.stringify(plan.backbone.input) : null,
  headGraph: plan ? graphHash(plan.backbone.head) : null,
});

function tensorRecords(
  { checkpoint }: InspectedModel,
  backbone: Backbone | null,
  known: StoredBackbone["tensors"],
): TensorRecord[] {
  const places = new Map<string, { block: string; slots: number[]; norm: boolean }>();
  for (const block of backbone?.blocks ?? []) {
    const norms = normalisationSlots(block.graph);
    block.tensors.forEach(({ name }, slot) => {
      const place = places.get(name);
      if (!place) places.set(name, { block: block.name, slots: [slot], norm: norms.has(slot) });
      else if (place.block === block.name) place.slots.push(slot);
    });
  }
  return [...(checkpoint?.tensors.values() ?? [])].map((tensor) => {
    const { name, dtype, shape, file, begin, end, strides = null } = tensor;
    const place = places.get(name);
    return {
      name,
      dtype,
      shape,
      bytes: tensorBytes(tensor),
      hash: known.get(name)?.hash ?? null,
      evidence: known.get(name)?.evidence ?? null,
      place: { file, begin, end, strides },
      block: place?.block ?? null,
      role: place ? (place.norm ? "norm" : "weight") : null,
      slots: place?.slots ?? null,
    };
  });
}

/** Rows of a chain: its ids, and what each block costs and puts out at the model's own input size. */
export function blockRecords({ backbone, preprocessing }: ExportPlan, stored: StoredBackbone): BlockRecord[] {
  const furtherInputs = backbone.input.kind === "text" ? backbone.input.names.slice(1) : [];
  const root = rootPrefixId(preprocessingKey(preprocessing.preprocessing), furtherInputs);
  const prefixes = prefixIds(
    root,
    stored.blocks.map((block) => block.blockId),
  );
  let info: TensorInfo = { dims: inputDims(backbone.input) };
  return stored.blocks.map((block, position) => {
    const graph = backbone.blocks[position]?.graph;
    const prefixId = prefixes[position];
    if (!graph || prefixId === undefined) throw new RangeError(`no block ${position}`);
    const inferred = inferGraph(graph, [info]);
    info = inferred.output;
    const norms = normalisationSlots(graph);
    return {
      position,
      name: block.name,
      blockId: block.blockId,
      prefixId,
      graphHash: block.graphHash,
      weightsHash: block.weightsHash,
      bytes: block.bytes,
      parameters: block.bytes / 4,
      flopsPerItem: inferred.flopsPerItem,
      outputShape: inferred.output.dims,
      slots: block.tensorHashes.map((hash, slot) => ({ hash, role: norms.has(slot) ? "norm" : "weight" })),
    };
  });
}
