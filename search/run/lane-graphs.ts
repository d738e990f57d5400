import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { blockGraph, type BlockedGraph } from "../../crawler/export/blocked-graph.ts";
import type { BlockGraph } from "../../crawler/export/graph.ts";
import type { Precision } from "../../crawler/export/precision.ts";
import { layoutWeights } from "../../crawler/export/weight-layout.ts";
import type { GraphWithWeights } from "../../crawler/export/write-onnx.ts";
import type { BlockStore } from "../../indexer/store/block-store.ts";
import { storedChain } from "../../indexer/store/stored-chain.ts";
import { markUsed } from "../mark-used.ts";
import type { Segment } from "../plan/step.ts";
import { probeBlockedLayout } from "./blocked-layout.ts";
import { GRAPH_FILE, graphFolder, openKeptGraph, sizeOf } from "./kept-graphs.ts";
import type { SessionSource } from "./lane-job.ts";
import type { Lanes } from "./lanes.ts";
import type { LayoutJob } from "./lay-out-weights.ts";
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

/** A block and its graph on the blocked layout. */
interface BlockedLink {
  readonly name: string;
  readonly blockId: string | null;
  readonly graphHash: string;
  readonly stored: BlockGraph;
  readonly blocked: BlockedGraph;
}

/**
 * Makes the graphs of segments such that every lane maps their weights from files and none has a copy. Weights of matrix
 * products are used as they lie in the store. Convolutions want theirs laid out for the processor: `<home>/cache/weights`
 * has those of dense convolutions by block, `<home>/cache/graphs` what onnxruntime makes of other graphs.
 */
export class LaneGraphs {
  readonly #options: LaneGraphOptions;
  #channels: Promise<number | null> | null = null;
  /** By path, those made first at the front. */
  readonly #made = new Map<string, Made>();

  constructor(options: LaneGraphOptions) {
    this.#options = options;
  }

  async open(segment: Segment): Promise<LaneGraph> {
    const { store, roots, precision } = this.#options;
    const root = roots.get(segment.root);
    if (!root) throw new Error(`no preprocessed items for ${segment.root}`);
    const chain = await storedChain(store, segment.blocks);
    const names = furtherInputs(chain);
    if (!isConvolutional(chain)) {
      const model = writeSegment(chain, segment, root, precision);
      return { source: { model, folder: store.folder, isOptimized: false, laidOut: [] }, names };
    }
    const links = precision === "fp32" ? blockedLinks(segment, chain) : null;
    const channels = links && (await (this.#channels ??= probeBlockedLayout()));
    const source = channels
      ? await this.#layOut(segment, root, links, channels)
      : await this.#optimize(writeSegment(chain, segment, root, precision), segment.weightBytes);
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

  async #layOut(
    segment: Segment,
    root: RootInputs,
    links: readonly BlockedLink[],
    channels: number,
  ): Promise<SessionSource> {
    const { home, store, lanes } = this.#options;
    const folder = join(home, "cache", "weights");
    await mkdir(folder, { recursive: true });
    const fileOf = ({ blockId, graphHash }: BlockedLink): string =>
      `${blockId}-${graphHash.slice(0, 16)}-${channels}.bin`;
    const jobs = links.flatMap((link): LayoutJob[] => {
      const { blockId, stored, blocked } = link;
      if (blockId === null) return [];
      return [{ from: store.weightsPath(blockId), to: join(folder, fileOf(link)), stored, blocked, channels }];
    });
    const missing: LayoutJob[] = [];
    for (const job of jobs) {
      if (sizeOf(job.to) === layoutWeights(job.blocked.graph).bytes) {
        await markUsed(job.to);
      } else {
        await rm(job.to, { force: true }); // cut short by a crash of the machine
        missing.push(job);
      }
    }
    for (const job of jobs) this.#use(job.to, missing.includes(job), layoutWeights(job.blocked.graph).bytes);
    if (missing.length > 0) await lanes.layOut(missing);
    const chain = links.map((link, index): GraphWithWeights => {
      const { slots } = layoutWeights(link.blocked.graph);
      return {
        name: `b${index}.${link.name}`,
        graph: link.blocked.graph,
        data: (slot) => ({ kind: "external", location: fileOf(link), offset: 0, length: 0, ...slots[slot] }),
        values: () => {
          throw new Error(`block ${link.name} reads weights that are laid out`);
        },
      };
    });
    const model = writeSegment(chain, segment, root, "fp32");
    return { model, folder, isOptimized: true, laidOut: jobs.map(({ to }) => to) };
  }

  /** @param bytes of its weights */
  async #optimize(model: Uint8Array, bytes: number): Promise<SessionSource> {
    const { home, store, lanes } = this.#options;
    const folder = graphFolder(home, model);
    const kept = openKeptGraph(folder);
    this.#use(folder, kept === null, bytes);
    if (kept) {
      await markUsed(join(folder, GRAPH_FILE));
      return kept;
    }
    await lanes.optimize({ model, folder: store.folder, isOptimized: false, laidOut: [] }, folder);
    const source = openKeptGraph(folder);
    if (!source) throw new Error(`the graph in ${folder} is gone: something removes it`);
    return source;
  }
}

/** Null when one of the blocks cannot run on the blocked layout, or reads the pixels, which are no such map. */
function blockedLinks({ blocks, isFirst }: Segment, chain: readonly GraphWithWeights[]): BlockedLink[] | null {
  if (isFirst) return null;
  const links: BlockedLink[] = [];
  for (const [index, { name, blockId, graphHash }] of blocks.entries()) {
    const stored = chain[index]?.graph;
    const blocked = stored && blockGraph(stored);
    if (!blocked) return null;
    links.push({ name, blockId, graphHash, stored, blocked });
  }
  return links;
}
