import { createHash } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { fuseConvs, type BlockedWeight, type FusedGraph } from "../../crawler/export/fuse-convs.ts";
import { foldSlot } from "../../crawler/export/fused-slots.ts";
import type { BlockGraph } from "../../crawler/export/graph.ts";
import { inferGraph } from "../../crawler/export/infer-graph.ts";
import type { Precision } from "../../crawler/export/precision.ts";
import type { GraphWithWeights } from "../../crawler/export/write-onnx.ts";
import type { BlockStore } from "../../indexer/store/block-store.ts";
import { storedChain } from "../../indexer/store/stored-chain.ts";
import { markUsed } from "../mark-used.ts";
import type { Segment } from "../plan/step.ts";
import { probeBlockedLayout } from "./blocked-layout.ts";
import { GRAPH_FILE, graphFolder, openKeptGraph, sizeOf } from "./kept-graphs.ts";
import type { SessionSource } from "./lane-job.ts";
import type { Lanes } from "./lanes.ts";
import { laidOutPlaces, type LayoutJob } from "./lay-out-weights.ts";
import type { RootInputs } from "./root-inputs.ts";
import { furtherInputs, isConvolutional, writeSegment } from "./segment-graph.ts";

export interface LaneGraphOptions {
  readonly home: string;
  readonly store: BlockStore;
  readonly roots: ReadonlyMap<string, RootInputs>;
  readonly lanes: Lanes;
  readonly precision: Precision;
  /** What graphs and weights that this search lays out may take on disk together, beside those in use. Default: no limit. */
  readonly cacheBytes?: number | undefined;
}

/** A file or a folder of the cache, which this search has made. */
interface Made {
  readonly bytes: number;
  /** Segments in use that need it. */
  users: number;
}

/** What lanes open their sessions of a segment from. */
export interface LaneGraph {
  readonly source: SessionSource;
  /** What it reads beside `x`. */
  readonly names: readonly string[];
}

/** A block whose convolutions are fused. */
interface FusedLink {
  readonly stored: GraphWithWeights;
  readonly fused: FusedGraph;
  /** The file of its weights that are laid out, and where they come from; null when there are none. */
  readonly laidOut: LayoutJob | null;
}

/**
 * Makes the graphs of segments such that every lane maps their weights from files and none has a copy. Weights of matrix
 * products, which convolutions on small maps are too, are used as they lie in the store. Other convolutions want theirs laid
 * out for the processor: `<home>/cache/weights` has those of dense ones by block, `<home>/cache/graphs` what onnxruntime
 * makes of other graphs.
 */
export class LaneGraphs {
  readonly #options: LaneGraphOptions;
  #channels: Promise<number | null> | null = null;
  /** Of blocks, by their hashes. */
  readonly #graphs = new Map<string, BlockGraph>();
  /** By path, those made first at the front. */
  readonly #made = new Map<string, Made>();

  constructor(options: LaneGraphOptions) {
    this.#options = options;
  }

  async open(segment: Segment): Promise<LaneGraph> {
    const { home, store, roots, precision } = this.#options;
    const root = roots.get(segment.root);
    if (!root) throw new Error(`no preprocessed items for ${segment.root}`);
    const chain = await storedChain(store, segment.blocks, home, this.#graphs);
    const names = furtherInputs(chain);
    const links = precision === "fp32" && isConvolutional(chain) ? await this.#fuse(segment, chain) : null;
    if (links) return { source: await this.#layOut(segment, root, links), names };
    const model = writeSegment(chain, segment, root, precision);
    const source = isConvolutional(chain)
      ? await this.#optimize(model, segment.weightBytes)
      : { model, folder: home, isOptimized: false, laidOut: [] };
    return { source, names };
  }

  /** A segment is not used any more: what was made for it goes when there is too much. */
  async release({ source }: LaneGraph): Promise<void> {
    for (const path of source.laidOut) {
      const made = this.#made.get(path);
      if (made) made.users--;
    }
    let sum = [...this.#made.values()].reduce((bytes, made) => bytes + made.bytes, 0);
    for (const [path, { bytes, users }] of this.#made) {
      if (sum <= (this.#options.cacheBytes ?? Infinity)) return;
      if (users > 0) continue;
      this.#made.delete(path);
      await rm(path, { recursive: true, force: true });
      sum -= bytes;
    }
  }

  /** @param isNew whether this search has made it @param bytes that it takes on disk */
  #use(path: string, isNew: boolean, bytes: number): void {
    const made = this.#made.get(path);
    if (made) made.users++;
    else if (isNew) this.#made.set(path, { bytes, users: 1 });
  }

  /** Null when one of the blocks cannot be fused. */
  async #fuse({ blocks, input: first }: Segment, chain: readonly GraphWithWeights[]): Promise<FusedLink[] | null> {
    const { home, store } = this.#options;
    const channels = await (this.#channels ??= probeBlockedLayout());
    const links: FusedLink[] = [];
    let input = first;
    for (const [index, stored] of chain.entries()) {
      const blockId = blocks[index]?.blockId ?? null;
      const fused = fuseConvs(stored.graph, [input], channels !== null);
      if (!fused) return null;
      const weights = blockedWeights(fused);
      const to = join(home, LAID_OUT_FOLDER, `${blockId}-${keyOf(weights)}-${channels}.bin`);
      links.push({
        stored,
        fused,
        laidOut:
          blockId !== null && channels !== null && weights.length > 0
            ? { from: store.weightsPath(blockId), to, stored: stored.graph, weights, channels }
            : null,
      });
      input = inferGraph(stored.graph, [input]).output;
    }
    return links;
  }

  async #layOut(segment: Segment, root: RootInputs, links: readonly FusedLink[]): Promise<SessionSource> {
    const { home, lanes } = this.#options;
    const jobs = links.flatMap(({ laidOut }) => laidOut ?? []);
    const missing: LayoutJob[] = [];
    for (const job of jobs) {
      const { bytes } = laidOutPlaces(job);
      const isThere = sizeOf(job.to) === bytes;
      this.#use(job.to, !isThere, bytes);
      if (isThere) await markUsed(job.to);
      else missing.push(job);
    }
    if (missing.length > 0) {
      await mkdir(join(home, LAID_OUT_FOLDER), { recursive: true });
      for (const { to } of missing) await rm(to, { force: true }); // cut short by a crash of the machine
      await lanes.layOut(missing);
    }
    const model = writeSegment(links.map(fusedPart), segment, root, "fp32");
    return { model, folder: home, isOptimized: true, laidOut: jobs.map(({ to }) => to) };
  }

  /** @param bytes of its weights */
  async #optimize(model: Uint8Array, bytes: number): Promise<SessionSource> {
    const { home, lanes } = this.#options;
    const folder = graphFolder(home, model);
    const kept = openKeptGraph(folder);
    this.#use(folder, kept === null, bytes);
    if (kept) {
      await markUsed(join(folder, GRAPH_FILE));
      return kept;
    }
    await lanes.optimize({ model, folder: home, isOptimized: false, laidOut: [] }, folder);
    const source = openKeptGraph(folder);
    if (!source) throw new Error(`the graph in ${folder} is gone: something removes it`);
    return source;
  }
}

const LAID_OUT_FOLDER = "cache/weights";

/** What is laid out depends on the size of the maps. */
const keyOf = (weights: readonly BlockedWeight[]): string =>
  createHash("sha256").update(JSON.stringify(weights)).digest("hex").slice(0, 16);

const blockedWeights = ({ slots }: FusedGraph): BlockedWeight[] =>
  slots.filter((slot) => slot.kind === "blockedWeight");

/** A fused block's graph, with its weights where they lie: in the store, laid out, or few and in the graph. */
function fusedPart({ stored, fused, laidOut }: FusedLink): GraphWithWeights {
  const places = new Map(laidOut?.weights.map((weight, index) => [weight, laidOutPlaces(laidOut).slots[index]]));
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
      if (laidOut && place)
        return { kind: "external", location: `${LAID_OUT_FOLDER}/${basename(laidOut.to)}`, ...place };
      const { buffer, byteOffset, byteLength } = values(index);
      return { kind: "inline", bytes: new Uint8Array(buffer, byteOffset, byteLength) };
    },
  };
}
