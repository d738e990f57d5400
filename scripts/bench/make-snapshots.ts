import { getArchitecture } from "../../crawler/export/registry.ts";
import type { Backbone, Block, TensorInfo } from "../../crawler/export/graph.ts";
import type { Preprocessing } from "../../crawler/preprocessing/preprocessing.ts";
import type { TextPreprocessing } from "../../crawler/text/text-preprocessing.ts";
import { blockInputs } from "../../indexer/block-assembly.ts";
import type { BlockStore } from "../../indexer/store/block-store.ts";
import { buildCandidate, type CandidateLink, type SearchCandidate } from "../../search/build-candidate.ts";
import { seededRandom } from "../../search/shuffle.ts";
import { fakeModel, type BenchArchitecture } from "./fake-checkpoint.ts";
import { randomWeights } from "./random-weights.ts";

/**
 * Where the snapshots of a set part, as the paper makes them: each has a last block of its own, or parts from the others
 * at a random block of the last quarter or half.
 */
export const SHARINGS = ["top-layers", "top-25", "top-50"] as const;
export type Sharing = (typeof SHARINGS)[number];

export interface SnapshotOptions {
  readonly architecture: BenchArchitecture;
  readonly sharing: Sharing;
  readonly models: number;
  readonly seed: number;
  readonly store: BlockStore;
  readonly preprocessing: Preprocessing | TextPreprocessing;
}

export interface Snapshots {
  readonly candidates: readonly SearchCandidate[];
  /** Blocks of a chain, without the head. */
  readonly chainLength: number;
  /** Of all snapshots together. */
  readonly distinctBlocks: number;
  /** Bytes of weights of one snapshot. */
  readonly modelBytes: number;
}

/** Writes the blocks of n snapshots of one architecture with random weights into the store, each block once. */
export async function makeSnapshots(options: SnapshotOptions): Promise<Snapshots> {
  const { architecture, sharing, models, seed, store, preprocessing } = options;
  const { checkpoint, config } = fakeModel(architecture);
  const backbone = getArchitecture(config).build(checkpoint, config);
  const writer = new SnapshotWriter(store, backbone, seed);
  const headGraph = await store.writeGraph(backbone.head);
  const candidates: SearchCandidate[] = [];
  for (const [index, changed] of changedBlocks(backbone.blocks, sharing, models, seed).entries()) {
    const links = await writer.write(index, changed);
    const head = { name: "feature", blockId: null, graphHash: headGraph, bytes: 0, graph: backbone.head };
    candidates.push(
      buildCandidate(
        {
          modelId: `${architecture}/snapshot-${String(index).padStart(2, "0")}`,
          revision: "0".repeat(40),
          preprocessing,
          inputNames: backbone.input.kind === "text" ? backbone.input.names : ["pixel_values"],
        },
        [...links, head],
      ),
    );
  }
  const ids = new Set(candidates.flatMap(({ blocks }) => blocks.flatMap(({ blockId }) => blockId ?? [])));
  return {
    candidates,
    chainLength: backbone.blocks.length,
    distinctBlocks: ids.size,
    modelBytes: candidates[0]?.blocks.reduce((sum, { weightBytes }) => sum + weightBytes, 0) ?? 0,
  };
}

/** How many of its last blocks each snapshot has for itself. */
function changedBlocks(blocks: readonly Block[], sharing: Sharing, models: number, seed: number): number[] {
  // a final norm alone is no block that anybody fine-tunes: it goes with the layer before it
  const last = 1 + blocks.toReversed().findIndex(({ graph }) => graph.slots.some((shape) => shape.length > 1));
  const random = seededRandom(seed + 1);
  const share = { "top-layers": 0, "top-25": 0.25, "top-50": 0.5 }[sharing];
  const most = Math.max(last, Math.round(share * blocks.length));
  return Array.from({ length: models }, () => last + Math.floor(random() * (most - last + 1)));
}

class SnapshotWriter {
  readonly #store: BlockStore;
  readonly #blocks: readonly Block[];
  readonly #inputs: readonly TensorInfo[];
  readonly #seed: number;
  readonly #values: ReturnType<typeof randomWeights>;
  /** Blocks of the common chain, by position. */
  readonly #common = new Map<number, CandidateLink>();

  constructor(store: BlockStore, backbone: Backbone, seed: number) {
    this.#store = store;
    this.#blocks = backbone.blocks;
    this.#inputs = blockInputs(backbone);
    this.#seed = seed;
    this.#values = randomWeights(seed);
  }

  /** @param changed how many of the last blocks no other snapshot has */
  async write(snapshot: number, changed: number): Promise<CandidateLink[]> {
    const links: CandidateLink[] = [];
    for (const [position, block] of this.#blocks.entries()) {
      if (position >= this.#blocks.length - changed) {
        links.push(await this.#block(block, position, snapshot + 1));
        continue;
      }
      const link = this.#common.get(position) ?? (await this.#block(block, position, 0));
      this.#common.set(position, link);
      links.push(link);
    }
    return links;
  }

  /** @param variant 0 for the common chain, else a snapshot's own */
  async #block(block: Block, position: number, variant: number): Promise<CandidateLink> {
    const draft = await this.#store.draft(block.graph);
    try {
      for (const [slot, tensor] of block.tensors.entries()) {
        const seed =
          Math.imul(this.#seed + 1, 0x9e3779b1) ^ Math.imul(variant * 1000 + position * 50 + slot, 0x85ebca6b);
        await draft.write(slot, 0, new Uint8Array(this.#values(tensor, seed).buffer));
      }
      // a block of nothing but norms has the same weights in all snapshots, and so is one block
      const { blockId, graphHash, bytes } = await draft.commit(block.name, this.#inputs[position] ?? { dims: [] });
      return { name: block.name, blockId, graphHash, bytes, graph: block.graph };
    } catch (cause) {
      await draft.discard();
      throw cause;
    }
  }
}
