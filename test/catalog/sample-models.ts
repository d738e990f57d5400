import { createHash } from "node:crypto";
import type { IndexedModelWithDetails, ModelRecord } from "../../indexer/catalog/records.ts";
import { blockId, prefixIds, rootPrefixId, weightsHash } from "../../indexer/hash-block.ts";

/** A block of a made-up chain: two of them are equal when all three words are. It has two weights and a norm. */
export interface SampleBlock {
  readonly graph: string;
  readonly weight: string;
  readonly norm: string;
}

export const BASE = "facebook/detr-resnet-50";

/** float32 bytes of a made-up block with this graph: they must follow from the graph, as they do in real ones. */
export const sampleBytes = (graph: string): number => 300 + 12 * graph.length;

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

/** A block by its weights; with the graph `g` unless said. */
export const sampleBlock = (weight: string, norm = "n", graph = "g"): SampleBlock => ({ weight, norm, graph });

export function sampleModel(
  modelId: string,
  chain: readonly SampleBlock[],
  facts: Partial<ModelRecord> = {},
): IndexedModelWithDetails {
  const chained = chain.map(({ graph, weight, norm }) => {
    const slots = [
      { hash: digest(`${weight}/0`), role: "weight" },
      { hash: digest(`${norm}/1`), role: "norm" },
      { hash: digest(`${weight}/2`), role: "weight" },
    ] as const;
    const weights = weightsHash(slots.map(({ hash }) => hash));
    return { graph, graphHash: digest(graph), weightsHash: weights, id: blockId(digest(graph), weights), slots };
  });
  const prefixes = prefixIds(
    rootPrefixId("224"),
    chained.map(({ id }) => id),
  );
  return {
    model: { ...sampleFacts(modelId), ...facts },
    files: [
      { path: "model.safetensors", size: 1000, sha256: digest(modelId), etag: "e", xetHash: null, verified: null },
    ],
    tensors: chained.flatMap(({ slots }, position) =>
      slots.map(({ hash, role }, slot) => ({
        ...{ name: `backbone.${position}.${slot}`, dtype: "F32", shape: [5, 5], bytes: 100, hash, role },
        ...{ block: `unit${position}`, slots: [slot], evidence: "hash" as const, place: null },
      })),
    ),
    blocks: chained.map((block, position) => ({
      ...{ position, name: `unit${position}`, blockId: block.id, prefixId: prefixes[position] ?? "" },
      ...{ graphHash: block.graphHash, weightsHash: block.weightsHash, slots: block.slots },
      ...{ bytes: sampleBytes(block.graph), parameters: 75, flopsPerItem: 1000 + position, outputShape: [4, 7, 7] },
    })),
    config: '{"model_type": "detr"}',
    preprocessing: '{"size": 224}',
  };
}

const sampleFacts = (modelId: string): ModelRecord => ({
  modelId,
  revision: digest(modelId).slice(0, 40),
  family: BASE,
  baseModel: modelId === BASE ? null : BASE,
  architecture: "detr",
  modelType: "detr",
  pipelineTag: "object-detection",
  library: "transformers",
  license: "apache-2.0",
  downloads: 10,
  likes: 1,
  gated: null,
  createdAt: "2024-03-01T10:00:00.000Z",
  lastModified: "2024-04-01T10:00:00.000Z",
  parameters: 1000,
  bytes: 4000,
  backboneParameters: 900,
  status: "indexed",
  reason: null,
});
