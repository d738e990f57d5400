import { isDtype } from "../../crawler/checkpoint/dtype.ts";
import type { Checkpoint, CheckpointTensor } from "../../crawler/checkpoint/open-checkpoint.ts";
import type { TensorEntry } from "../../crawler/checkpoint/safetensors-header.ts";
import type { Backbone } from "../../crawler/export/graph.ts";
import type { Repository, RepositoryFile } from "../../crawler/repository.ts";
import { equalRanges } from "../../crawler/xet/equal-ranges.ts";
import type { FileTerm } from "../../crawler/xet/file-term.ts";
import type { CatalogWriter } from "../catalog/catalog-writer.ts";
import type { KnownFile, KnownFileTensor } from "../catalog/known-files.ts";
import type { BlockStore } from "../store/block-store.ts";
import { blocksByTensor, knownTensor, type KnownTensor, type TensorSource } from "./known-tensor.ts";

export interface EvidenceFinderOptions {
  readonly catalog: CatalogWriter;
  readonly store: BlockStore;
  readonly repository: Repository;
  /** Whether files that were read in part only count as known: not where every tensor is to be read and checked. */
  readonly acceptUnverified: boolean;
}

/**
 * Finds what of a model's weights is known before they are read: files of the same hash as one that was read, and bytes
 * that the hub takes from the same chunks. One for each model.
 */
export class EvidenceFinder {
  readonly #options: EvidenceFinderOptions;
  readonly #files = new Map<string, Promise<KnownFile | null>>();

  constructor(options: EvidenceFinderOptions) {
    this.#options = options;
  }

  /** The header of a weight file, from the catalog; null where it has none of this hash. */
  async header(file: RepositoryFile): Promise<readonly TensorEntry[] | null> {
    const known = await this.sameFile(file);
    const entries = known?.tensors.map(toEntry) ?? [];
    const isWhole = entries.length > 0 && entries.every((entry) => entry !== null);
    return isWhole ? entries : null;
  }

  /** The file that this one equals, byte by byte, if the catalog knows one. */
  async sameFile(file: RepositoryFile): Promise<KnownFile | null> {
    const known = await this.#sameFile(file);
    return known && (this.#options.acceptUnverified || known.verified !== null) ? known : null;
  }

  /** The tensors that need not be read, by name. */
  async find(
    checkpoint: Checkpoint,
    files: readonly RepositoryFile[],
    backbone: Backbone,
    signal?: AbortSignal,
  ): Promise<Map<string, KnownTensor>> {
    const targets = blocksByTensor(backbone);
    const found = new Map<string, KnownTensor>();
    for (const path of checkpoint.files) {
      const file = files.find((candidate) => candidate.path === path);
      if (!file) continue;
      const tensors = [...checkpoint.tensors.values()].filter((tensor) => tensor.file === path);
      const same = await this.sameFile(file);
      const sources = same ? this.#sameTensors(same, tensors) : await this.#sharedTensors(file, tensors, signal);
      const ids = [...sources.values()].flatMap(({ tensor }) => tensor.fills?.blockId ?? []);
      const stored = await this.#stored([...new Set(ids)]);
      for (const [name, source] of sources) {
        const slotHashes = stored.get(source.tensor.fills?.blockId ?? "");
        const known = knownTensor(name, targets, backbone, { ...source, slotHashes });
        if (known) found.set(name, known);
      }
    }
    return found;
  }

  #sameFile({ sha256, xetHash }: RepositoryFile): Promise<KnownFile | null> {
    if (sha256 === null && xetHash === null) return Promise.resolve(null);
    const key = `${sha256} ${xetHash}`;
    let found = this.#files.get(key);
    if (!found) this.#files.set(key, (found = this.#options.catalog.findFile({ sha256, xetHash })));
    return found;
  }

  #sameTensors(file: KnownFile, tensors: readonly CheckpointTensor[]): Map<string, Omit<TensorSource, "slotHashes">> {
    const byName = new Map(file.tensors.map((tensor) => [tensor.name, tensor]));
    // what a model's own rows tell of its own file is as they say
    const isOwn = file.modelId === this.#options.repository.id;
    return new Map(
      tensors.flatMap(({ name }) => {
        const tensor = byName.get(name);
        return tensor ? [[name, { file, tensor, evidence: (isOwn ? tensor.evidence : null) ?? "file" }] as const] : [];
      }),
    );
  }

  /** Tensors that lie wholly in bytes which another file has too, where that has a tensor of the same type and shape. */
  async #sharedTensors(
    file: RepositoryFile,
    tensors: readonly CheckpointTensor[],
    signal?: AbortSignal,
  ): Promise<Map<string, Omit<TensorSource, "slotHashes">>> {
    const { repository, catalog } = this.#options;
    const found = new Map<string, Omit<TensorSource, "slotHashes">>();
    const terms: readonly FileTerm[] = (await repository.listTerms?.(file.path, signal)) ?? [];
    if (terms.length === 0) return found;
    for (const other of await catalog.findTermFiles([...new Set(terms.map(({ xorb }) => xorb))])) {
      const ranges = equalRanges(terms, other.terms);
      const byBegin = new Map(other.tensors.map((tensor) => [tensor.place.begin, tensor]));
      for (const tensor of tensors) {
        const range = ranges.find(({ begin, end }) => begin <= tensor.begin && tensor.end <= end);
        if (!range || tensor.begin === tensor.end || found.has(tensor.name)) continue;
        const twin = byBegin.get(tensor.begin - range.begin + range.otherBegin);
        if (twin && twin.hash !== null && isSameForm(tensor, twin)) {
          found.set(tensor.name, { file: other, tensor: twin, evidence: "xet" });
        }
      }
    }
    return found;
  }

  /** The slots' hashes of those blocks that the store still has. */
  async #stored(ids: readonly string[]): Promise<Map<string, readonly string[]>> {
    const { catalog, store } = this.#options;
    const hashes = await catalog.slotHashes(ids);
    const stored = new Map<string, readonly string[]>();
    for (const [id, list] of hashes) if (await store.has(id)) stored.set(id, list);
    return stored;
  }
}

function isSameForm(tensor: CheckpointTensor, twin: KnownFileTensor): boolean {
  return (
    !tensor.strides &&
    twin.place.strides === null &&
    tensor.dtype === twin.dtype &&
    tensor.end - tensor.begin === twin.place.end - twin.place.begin &&
    tensor.shape.join() === twin.shape.join()
  );
}

function toEntry({ name, dtype, shape, place }: KnownFileTensor): TensorEntry | null {
  if (!isDtype(dtype)) return null;
  const { begin, end, strides } = place;
  return { name, dtype, shape, begin, end, ...(strides && { strides }) };
}
