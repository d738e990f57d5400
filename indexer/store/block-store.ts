import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { access, mkdir, open, readdir, readFile, rm, stat, type FileHandle } from "node:fs/promises";
import { basename, join } from "node:path";
import type { BlockGraph, TensorInfo } from "../../crawler/export/graph.ts";
import { fileInputs } from "../../crawler/export/file-inputs.ts";
import { layoutWeights, weightBytes } from "../../crawler/export/weight-layout.ts";
import { writeOnnx } from "../../crawler/export/write-onnx.ts";
import { blockId, graphHash, startTensorHash, weightsHash } from "../hash-block.ts";
import { publishFile, writeDurably } from "./durable-file.ts";
import { readBytes } from "./read-bytes.ts";

/** A block in the store. */
export interface StoredBlock {
  readonly blockId: string;
  readonly graphHash: string;
  readonly weightsHash: string;
  /** One a slot. */
  readonly tensorHashes: readonly string[];
  /** float32 bytes of its weights. */
  readonly bytes: number;
  /** Whether the store had it already. */
  readonly known: boolean;
}

/** A block whose weights are arriving. Memory holds only the hashes; the values go to a temporary file. */
export interface BlockDraft {
  /**
   * Adds float32 values of a slot; the chunks of one slot come in order. They are hashed at once, and must stay as they
   * are until the promise resolves, which says that they are written; nobody has to wait for it but to bound memory.
   */
  write(slot: number, offset: number, values: Uint8Array): Promise<void>;
  /**
   * Names the block by its content and puts it into the store, once, when all is written.
   * @throws the first failure of a write, however long ago it was
   * @param input shape of the block's input in the model that it came from, for the shapes in its ONNX file
   */
  commit(name: string, input: TensorInfo): Promise<StoredBlock>;
  discard(): Promise<void>;
}

/** A block by its id, and the graph that it has. */
export interface NamedBlock {
  readonly blockId: string;
  readonly graphHash: string;
}

/** A place of a block in a model: what is in its ONNX file besides graph and weights comes from the first one. */
export interface BlockUse {
  readonly name: string;
  readonly input: TensorInfo;
}

/**
 * The model store: `<home>/store/blocks/ab/<block id>.onnx`, its weights beside it as `.bin`; `graphs/` holds each
 * graph once. A block is there when its `.onnx` is: that file is renamed into place last.
 */
export interface BlockStore {
  readonly folder: string;
  has(blockId: string): Promise<boolean>;
  draft(graph: BlockGraph): Promise<BlockDraft>;
  onnxPath(blockId: string): string;
  weightsPath(blockId: string): string;
  /** @throws when the store does not hold the graph */
  readGraph(graphHash: string): Promise<BlockGraph>;
  writeGraph(graph: BlockGraph): Promise<string>;
  /** The graphs on disk, by the names of their files. */
  listGraphs(): Promise<string[]>;
  /** For a damaged one, so that it is written anew. */
  removeGraph(graphHash: string): Promise<void>;
  /** Writes a block's ONNX file anew from its graph and weights. */
  rewriteOnnx(block: NamedBlock, use: BlockUse): Promise<void>;
  /** Whether a block's ONNX file is as written for one of its uses. */
  isOnnxWhole(block: NamedBlock, uses: readonly BlockUse[]): Promise<boolean>;
  /** The blocks on disk, whether a model needs them or not. */
  list(): AsyncGenerator<{ readonly blockId: string; readonly bytes: number }>;
  remove(blockId: string): Promise<void>;
  /** Removes what interrupted writers left; only while nobody writes. */
  removeTemporary(): Promise<void>;
}

const exists = (path: string): Promise<boolean> =>
  access(path, constants.F_OK).then(
    () => true,
    () => false,
  );

export function openBlockStore(home: string): BlockStore {
  const folder = join(home, "store");
  const temporaryFolder = join(folder, "tmp");
  const pathOf = (id: string, extension: string) => join(folder, "blocks", id.slice(0, 2), `${id}.${extension}`);
  const graphPath = (hash: string) => join(folder, "graphs", `${hash}.json`);
  const store: BlockStore = {
    folder,
    has: (id) => exists(pathOf(id, "onnx")),
    onnxPath: (id) => pathOf(id, "onnx"),
    weightsPath: (id) => pathOf(id, "bin"),
    async readGraph(hash) {
      return JSON.parse(await readFile(graphPath(hash), "utf8")) as BlockGraph;
    },
    async writeGraph(graph) {
      const hash = graphHash(graph);
      if (!(await exists(graphPath(hash)))) await writeDurably(graphPath(hash), JSON.stringify(graph));
      return hash;
    },
    async rewriteOnnx({ blockId: id, graphHash: hash }, { name, input }) {
      const graph = await store.readGraph(hash);
      await writeDurably(store.onnxPath(id), blockOnnx(id, name, graph, input, store.weightsPath(id)));
    },
    async isOnnxWhole({ blockId: id, graphHash: hash }, uses) {
      const graph = await store.readGraph(hash);
      const bytes = await readFile(store.onnxPath(id));
      return uses.some(({ name, input }) => bytes.equals(blockOnnx(id, name, graph, input, store.weightsPath(id))));
    },
    async listGraphs() {
      const names = await readdir(join(folder, "graphs")).catch(() => []);
      return names.map((name) => /^([0-9a-f]{64})\.json$/.exec(name)?.[1]).filter((hash) => hash !== undefined);
    },
    removeGraph: (hash) => rm(graphPath(hash), { force: true }),
    async *list() {
      for (const shelf of await readdir(join(folder, "blocks")).catch(() => [])) {
        const names = await readdir(join(folder, "blocks", shelf));
        const ids = names.map((name) => /^([0-9a-f]{64})\.(?:bin|onnx)$/.exec(name)?.[1]);
        for (const blockId of new Set(ids.filter((id) => id !== undefined))) {
          const bytes = await stat(store.weightsPath(blockId)).then(
            ({ size }) => size,
            () => 0,
          );
          yield { blockId, bytes };
        }
      }
    },
    async remove(id) {
      // the ONNX file first: without it the block is not there
      await rm(store.onnxPath(id), { force: true });
      await rm(store.weightsPath(id), { force: true });
    },
    async removeTemporary() {
      await rm(temporaryFolder, { recursive: true, force: true });
      const shelves = await readdir(join(folder, "blocks")).catch(() => []);
      for (const place of [join(folder, "graphs"), ...shelves.map((shelf) => join(folder, "blocks", shelf))]) {
        for (const name of await readdir(place).catch(() => [])) {
          if (name.endsWith(".tmp")) await rm(join(place, name), { force: true });
        }
      }
    },
    async draft(graph) {
      await mkdir(temporaryFolder, { recursive: true });
      const path = join(temporaryFolder, `${randomUUID()}.bin`);
      return new Draft(store, graph, path, await open(path, "wx"));
    },
  };
  return store;
}

class Draft implements BlockDraft {
  readonly #store: BlockStore;
  readonly #graph: BlockGraph;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #layout: ReturnType<typeof layoutWeights>;
  readonly #hashes: ReturnType<typeof startTensorHash>[];
  readonly #writing = new Set<Promise<void>>();
  #failure: { readonly cause: unknown } | null = null;
  #open = true;

  constructor(store: BlockStore, graph: BlockGraph, path: string, file: FileHandle) {
    this.#store = store;
    this.#graph = graph;
    this.#path = path;
    this.#file = file;
    this.#layout = layoutWeights(graph);
    this.#hashes = graph.slots.map((shape) => startTensorHash(shape));
  }

  write(slot: number, offset: number, values: Uint8Array): Promise<void> {
    const place = this.#layout.slots[slot];
    if (!place || offset + values.byteLength > place.length) throw new RangeError(`slot ${slot} has no byte ${offset}`);
    this.#hashes[slot]?.update(values);
    const writing = this.#writeAt(place.offset + offset, values).catch((cause: unknown) => {
      this.#failure ??= { cause };
      throw cause;
    });
    this.#writing.add(writing);
    return writing.finally(() => this.#writing.delete(writing));
  }

  async #writeAt(position: number, values: Uint8Array): Promise<void> {
    for (let done = 0; done < values.byteLength;) {
      const rest = values.byteLength - done;
      done += (await this.#file.write(values, done, rest, position + done)).bytesWritten;
    }
  }

  async commit(name: string, input: TensorInfo): Promise<StoredBlock> {
    await Promise.allSettled(this.#writing);
    if (this.#failure) throw this.#failure.cause; // also of a write long ago: the hashes know nothing of it
    const tensorHashes = this.#hashes.map((hash) => hash.digest("hex"));
    const graph = await this.#store.writeGraph(this.#graph);
    const weights = weightsHash(tensorHashes);
    const id = blockId(graph, weights);
    const known = await this.#store.has(id);
    if (known) await this.discard();
    else {
      await this.#file.truncate(this.#layout.bytes);
      await this.#file.sync();
      await this.#close();
      await publishFile(this.#path, this.#store.weightsPath(id));
      await writeDurably(
        this.#store.onnxPath(id),
        blockOnnx(id, name, this.#graph, input, this.#store.weightsPath(id)),
      );
    }
    return {
      blockId: id,
      graphHash: graph,
      weightsHash: weights,
      tensorHashes,
      bytes: weightBytes(this.#graph),
      known,
    };
  }

  async discard(): Promise<void> {
    await Promise.allSettled(this.#writing);
    await this.#close();
    await rm(this.#path, { force: true });
  }

  async #close(): Promise<void> {
    if (this.#open) await this.#file.close();
    this.#open = false;
  }
}

/** A block as an ONNX file of its own: input `x` (and the chain's further inputs that it reads, by name), output `y`, weights in the `.bin` beside it. */
function blockOnnx(id: string, name: string, graph: BlockGraph, input: TensorInfo, weights: string): Uint8Array {
  const { slots } = layoutWeights(graph);
  const location = basename(`${id}.bin`);
  return writeOnnx(
    [
      {
        name,
        graph,
        data: (slot) => ({ kind: "external", location, offset: 0, length: 0, ...slots[slot] }),
        values: (slot) => {
          const { offset, length } = slots[slot] ?? { offset: 0, length: 0 };
          return new Float32Array(readBytes(weights, offset, length).buffer);
        },
      },
    ],
    {
      graphName: name,
      inputs: fileInputs([graph], input),
      outputName: "y",
      metadata: { block_id: id },
    },
  ).bytes;
}
