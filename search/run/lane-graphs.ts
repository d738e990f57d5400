import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { BlockGraph } from "../../crawler/export/graph.ts";
import type { Precision } from "../../crawler/export/precision.ts";
import type { ChainWriter, GraphWithWeights } from "../../crawler/export/write-onnx.ts";
import type { BlockStore } from "../../indexer/store/block-store.ts";
import { storedChain } from "../../indexer/store/stored-chain.ts";
import { markUsed } from "../mark-used.ts";
import type { Segment } from "../plan/step.ts";
import {
  fuseBlocks,
  fusedPart,
  LAID_OUT_FOLDER,
  placeWeights,
  type FusedBlock,
  type FusedLink,
} from "./fuse-segment.ts";
import { GRAPH_FILE, graphFolder, openKeptGraph, sizeOf } from "./kept-graphs.ts";
import type { SessionSource } from "./lane-job.ts";
import type { Lanes } from "./lanes.ts";
import { laidOutPlaces, type LayoutJob } from "./lay-out-weights.ts";
import { likelyChannels } from "./likely-channels.ts";
import type { RootInputs } from "./root-inputs.ts";
import { furtherInputs, isConvolutional, segmentWriter } from "./segment-graph.ts";

export interface LaneGraphOptions {
  readonly home: string;
  readonly store: BlockStore;
  readonly roots: ReadonlyMap<string, RootInputs>;
  readonly lanes: Pick<Lanes, "blockedChannels" | "layOut" | "optimize">;
  readonly precision: Precision;
  /** What graphs and weights that this search lays out may take on disk together, beside those in use. Default: no limit. */
  readonly cacheBytes?: number | undefined;
  /** Default: `likelyChannels()`. */
  readonly likelyChannels?: number | null;
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

/** Each keeps a graph of some 10 to 100 kB. */
const MOST_WRITERS = 64;

/**
 * Makes the graphs of segments such that every lane maps their weights from files and none has a copy. Weights of matrix
 * products, which convolutions on small maps are too, are used as they lie in the store. Other convolutions want theirs laid
 * out for the processor: `<home>/cache/weights` has those of dense ones by block, `<home>/cache/graphs` what onnxruntime
 * makes of other graphs.
 */
export class LaneGraphs {
  readonly #options: LaneGraphOptions;
  /** Of blocks, by their hashes. */
  readonly #graphs = new Map<string, BlockGraph>();
  /** What writes segments of the same graphs, by what they have in common. */
  readonly #writers = new Map<string, ChainWriter>();
  /** By path, those made first at the front. */
  readonly #made = new Map<string, Made>();
  /** What the machine's layout is taken for until it is known. */
  #likely: number | null;

  constructor(options: LaneGraphOptions) {
    const { likelyChannels: likely = likelyChannels() } = options;
    this.#options = options;
    this.#likely = likely;
  }

  async open(segment: Segment): Promise<LaneGraph> {
    const { home, store, roots, precision } = this.#options;
    const root = roots.get(segment.root);
    if (!root) throw new Error(`no preprocessed items for ${segment.root}`);
    const chain = await storedChain(store, segment.blocks, home, this.#graphs);
    const names = furtherInputs(chain);
    if (!isConvolutional(chain)) {
      const model = this.#write("stored", chain, segment, root);
      return { source: { model, folder: home, isOptimized: false, laidOut: [] }, names };
    }
    const fused = precision === "fp32" ? await this.#fuse(segment, root, chain) : null;
    return {
      source: fused ?? (await this.#optimize(this.#write("stored", chain, segment, root), segment.weightBytes)),
      names,
    };
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

  /** @returns null for what cannot be fused */
  async #fuse(segment: Segment, root: RootInputs, chain: readonly GraphWithWeights[]): Promise<SessionSource | null> {
    const { home, store, lanes } = this.#options;
    const blocked = fuseBlocks(segment, chain, true);
    const layOut = (blocks: readonly FusedBlock[], channels: number | null): Promise<SessionSource> =>
      this.#layOut(segment, root, placeWeights(blocks, { home, store, channels }));
    const likely = this.#likely;
    // while the machine is still being asked
    const early = blocked && likely !== null ? layOut(blocked, likely) : null;
    early?.catch(() => undefined); // seen below
    const channels = (this.#likely = await lanes.blockedChannels());
    if (early && channels === likely) return early;
    if (early) await this.#discard(await early);
    const fused = channels === null ? fuseBlocks(segment, chain, false) : blocked;
    return fused && layOut(fused, channels);
  }

  async #discard({ laidOut }: SessionSource): Promise<void> {
    for (const path of laidOut) {
      this.#made.delete(path);
      await rm(path, { force: true });
    }
  }

  async #layOut(segment: Segment, root: RootInputs, links: readonly FusedLink[]): Promise<SessionSource> {
    const { home, lanes } = this.#options;
    const jobs = links.flatMap(({ laidOut }) => laidOut ?? []);
    const missing: LayoutJob[] = [];
    for (const job of jobs) {
      const { bytes } = laidOutPlaces(job);
      const size = sizeOf(job.to);
      this.#use(job.to, size !== bytes, bytes);
      if (size === bytes) await markUsed(job.to);
      else missing.push(job);
      if (size > 0 && size !== bytes) await rm(job.to, { force: true }); // cut short by a crash of the machine
    }
    if (missing.length > 0) await mkdir(join(home, LAID_OUT_FOLDER), { recursive: true });
    const laidOut = Promise.all(missing.map((job) => lanes.layOut(job)));
    laidOut.catch(() => undefined); // seen below, even where the graph cannot be written
    const form = links.some(({ laidOut }) => laidOut) ? "blocked" : "fused";
    const model = this.#write(form, links.map(fusedPart), segment, root);
    await laidOut;
    return { model, folder: home, isOptimized: true, laidOut: jobs.map(({ to }) => to) };
  }

  /** @param form of its blocks: as they are stored, or fused for a machine with the blocked layout, or for one without */
  #write(
    form: "stored" | "blocked" | "fused",
    chain: readonly GraphWithWeights[],
    segment: Segment,
    root: RootInputs,
  ): Uint8Array {
    const { blocks, input, isFirst, root: rootKey } = segment;
    const graphs = blocks.map(({ name, graphHash }) => [name, graphHash]);
    const key = JSON.stringify([form, graphs, input, isFirst, rootKey]);
    const { precision } = this.#options;
    const writer = this.#writers.get(key) ?? segmentWriter(chain, segment, root, { precision, weightsInPlace: true });
    this.#writers.delete(key);
    this.#writers.set(key, writer);
    for (const old of this.#writers.keys()) if (this.#writers.size > MOST_WRITERS) this.#writers.delete(old);
    return writer(chain);
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
