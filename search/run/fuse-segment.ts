import { hash } from "node:crypto";
import { basename, join } from "node:path";
import { fuseConvs, type BlockedWeight, type FusedGraph } from "../../crawler/export/fuse-convs.ts";
import { foldSlot } from "../../crawler/export/fused-slots.ts";
import type { BlockGraph, TensorInfo } from "../../crawler/export/graph.ts";
import type { GraphWithWeights } from "../../crawler/export/write-onnx.ts";
import type { BlockStore } from "../../indexer/store/block-store.ts";
import type { ChainLink } from "../../indexer/store/stored-chain.ts";
import { laidOutPlaces, type LayoutJob } from "./lay-out-weights.ts";

/** Below the home: weights that are laid out for this machine. */
export const LAID_OUT_FOLDER = "cache/weights";

/** A block whose convolutions are fused. */
export interface FusedBlock {
  /** Null: it has no weights. */
  readonly blockId: string | null;
  readonly stored: GraphWithWeights;
  readonly fused: FusedGraph;
}

/** One whose weights have their places. */
export interface FusedLink extends FusedBlock {
  /** The file of its weights that are laid out, and where they come from; null when there are none. */
  readonly laidOut: LayoutJob | null;
}

/** Blocks, and what goes into the first of them. */
interface Chain {
  readonly blocks: readonly ChainLink[];
  readonly input: TensorInfo;
}

export interface PlaceOptions {
  readonly home: string;
  readonly store: BlockStore;
  /** Of a group in the blocked layout of this machine; null where it has none. */
  readonly channels: number | null;
}

export interface FuseSegmentOptions extends PlaceOptions {
  /** As of `fuseConvs`. */
  readonly matrixPixels?: number | undefined;
}

/** The blocks of a segment with their convolutions fused, or null when one of them cannot be. */
export function fuseSegment(
  segment: Chain,
  chain: readonly GraphWithWeights[],
  { matrixPixels, ...options }: FuseSegmentOptions,
): FusedLink[] | null {
  const fused = fuseBlocks(segment, chain, options.channels !== null, matrixPixels);
  return fused && placeWeights(fused, options);
}

/** As `fuseSegment`, before weights have places. @param hasBlocked whether this machine has the blocked layout */
export function fuseBlocks(
  { blocks, input: first }: Chain,
  chain: readonly GraphWithWeights[],
  hasBlocked: boolean,
  matrixPixels?: number,
): FusedBlock[] | null {
  const all: FusedBlock[] = [];
  let input = first;
  for (const [index, stored] of chain.entries()) {
    const fused = fuseOnce(stored.graph, input, hasBlocked, matrixPixels);
    if (!fused) return null;
    all.push({ blockId: blocks[index]?.blockId ?? null, stored, fused });
    input = fused.output;
  }
  return all;
}

/** What was fused before, of graphs that many blocks share, by all else that it depends on. */
const known = new WeakMap<BlockGraph, Map<string, FusedGraph | null>>();

function fuseOnce(
  graph: BlockGraph,
  input: TensorInfo,
  hasBlocked: boolean,
  matrixPixels: number | undefined,
): FusedGraph | null {
  const key = JSON.stringify([input, hasBlocked, matrixPixels]);
  const before = known.get(graph)?.get(key);
  if (before !== undefined) return before;
  const fused = fuseConvs(graph, [input], hasBlocked, matrixPixels);
  known.set(graph, (known.get(graph) ?? new Map<string, FusedGraph | null>()).set(key, fused));
  return fused;
}

/** Says where blocks that are fused for this machine have their weights. */
export function placeWeights(all: readonly FusedBlock[], { home, store, channels }: PlaceOptions): FusedLink[] {
  return all.map((block) => {
    const { blockId, stored, fused } = block;
    const weights = blockedWeights(fused);
    if (blockId === null || channels === null || weights.length === 0) return { ...block, laidOut: null };
    const to = join(home, LAID_OUT_FOLDER, `${blockId}-${keyOf(weights)}-${channels}.bin`);
    return { ...block, laidOut: { from: store.weightsPath(blockId), to, stored: stored.graph, weights, channels } };
  });
}

/** What is laid out depends on the size of the maps. */
const keyOf = (weights: readonly BlockedWeight[]): string => hash("sha256", JSON.stringify(weights)).slice(0, 16);

const blockedWeights = ({ slots }: FusedGraph): BlockedWeight[] =>
  slots.filter((slot) => slot.kind === "blockedWeight");

/** A fused block's graph, with its weights where they lie: in the store, laid out, or few and in the graph. */
export function fusedPart({ stored, fused, laidOut }: FusedLink): GraphWithWeights {
  const layout = laidOut && laidOutPlaces(laidOut);
  const places = new Map(laidOut?.weights.map((weight, index) => [weight, layout?.slots[index]]));
  const values = (index: number): Float32Array => {
    const slot = fused.slots[index];
    if (!slot || slot.kind === "blockedWeight") throw new RangeError(`${stored.name} has no values of slot ${index}`);
    const [out = 0] = fused.graph.slots[index] ?? [];
    return slot.kind === "stored" ? stored.values(slot.slot) : foldSlot(slot, (from) => stored.values(from), out);
  };
  return {
    name: stored.name,
    graph: fused.graph,
    values,
    data(index) {
      const slot = fused.slots[index];
      if (slot?.kind === "stored") return stored.data(slot.slot);
      const place = slot?.kind === "blockedWeight" ? places.get(slot) : undefined;
      const location = `${LAID_OUT_FOLDER}/${basename(laidOut?.to ?? "")}`;
      if (place) return { kind: "external", location, ...place };
      const { buffer, byteOffset, byteLength } = values(index);
      return { kind: "inline", bytes: new Uint8Array(buffer, byteOffset, byteLength) };
    },
  };
}
