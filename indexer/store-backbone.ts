import { DTYPE_BYTES, isFloat, toFloat32 } from "../crawler/checkpoint/dtype.ts";
import { tensorBytes, type Checkpoint, type CheckpointTensor } from "../crawler/checkpoint/open-checkpoint.ts";
import { UnsupportedModelError } from "../crawler/errors.ts";
import type { Backbone } from "../crawler/export/graph.ts";
import { fetchTensors, type TensorRange } from "../crawler/fetch-tensors.ts";
import type { Repository, RepositoryFile } from "../crawler/repository.ts";
import { BlockAssembly } from "./block-assembly.ts";
import { BufferPool } from "./buffer-pool.ts";
import type { Evidence } from "./catalog/records.ts";
import { checkWholeFiles } from "./check-whole-files.ts";
import type { KnownTensor } from "./evidence/known-tensor.ts";
import { forEachFile } from "./for-each-file.ts";
import { startTensorHash } from "./hash-block.ts";
import { planReads, type TensorSelection } from "./plan-reads.ts";
import type { BlockStore, StoredBlock } from "./store/block-store.ts";
import { NOWHERE, tensorTargets, type TensorTargets } from "./tensor-targets.ts";

/** A backbone whose blocks are all in the store. */
export interface StoredBackbone {
  /** In chain order. */
  readonly blocks: readonly (StoredBlock & { readonly name: string })[];
  /** Every tensor whose hash is known, by name, and how. */
  readonly tensors: ReadonlyMap<string, { readonly hash: string; readonly evidence: Evidence }>;
  /** Bytes of the wanted tensors, by how their hashes are known. */
  readonly bytes: Readonly<Record<Evidence, number>>;
  /** Files whose bytes were all read, and have the hub's sha256. */
  readonly verified: ReadonlySet<string>;
}

export interface StoreBackboneOptions {
  readonly repository: Repository;
  readonly checkpoint: Checkpoint;
  readonly backbone: Backbone;
  /** As the repository lists them; files that are not among them are not read whole. */
  readonly files?: readonly RepositoryFile[];
  readonly store: BlockStore;
  readonly tensors: TensorSelection;
  /** Tensors that need not be read. */
  readonly known?: ReadonlyMap<string, KnownTensor>;
  /** Read every weight file whole, and compare it with the hub's sha256. */
  readonly verify?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Reads a backbone's weights, in the order of its files, into the store; each block is written once, whoever brings it.
 * What is known is not read, but copied within the store where a block is new. With `tensors: "all"` the rest of the
 * checkpoint is read and hashed too.
 * @throws UnsupportedModelError for weights that are not floats, CheckpointError when bytes are missing or wrong
 */
export async function storeBackbone(options: StoreBackboneOptions): Promise<StoredBackbone> {
  const { checkpoint, backbone, files = [], store, known = new Map(), verify = false } = options;
  const targets = tensorTargets(backbone, checkpoint);
  const plan = planReads({ checkpoint, backbone, files, tensors: options.tensors, known, verify });
  checkTypes(plan.wanted, targets);
  const sha256 = new Map(files.flatMap(({ path, sha256 }) => (sha256 !== null ? [[path, sha256] as const] : [])));
  const repository = checkWholeFiles(options.repository, { checkpoint, ...plan, sha256 });
  const assembly = new BlockAssembly(backbone, store, known);
  const tensors = new Map<string, { hash: string; evidence: Evidence }>();
  for (const [name, { hash, evidence }] of known) tensors.set(name, { hash, evidence });
  const buffers = new BufferPool();

  const read = async (part: readonly TensorRange[], signal: AbortSignal): Promise<void> => {
    let hash = startTensorHash([]);
    for await (const { tensor, offset, bytes } of fetchTensors(repository, part, signal)) {
      const { slots, isWhole } = targets.get(tensor.name) ?? NOWHERE;
      const wide = isFloat(tensor.dtype) && tensor.dtype !== "F32";
      const buffer = wide ? buffers.take((4 * bytes.byteLength) / DTYPE_BYTES[tensor.dtype]) : null;
      const values = buffer ? bytesOf(toFloat32(tensor.dtype, bytes, buffer)) : bytes;
      if (!isWhole) {
        if (offset === 0) hash = startTensorHash(tensor.shape, isFloat(tensor.dtype) ? "F32" : tensor.dtype);
        hash.update(values);
        if (offset + bytes.byteLength === tensorBytes(tensor)) {
          tensors.set(tensor.name, { hash: hash.digest("hex"), evidence: "hash" });
        }
      }
      await assembly.write(slots, (offset / DTYPE_BYTES[tensor.dtype]) * 4, values, () => buffers.give(buffer));
    }
  };
  try {
    await forEachFile(plan.ranges, read, options.signal);
    const blocks = await assembly.finish();
    for (const [name, { slots, isWhole }] of targets) {
      const hash = isWhole && blocks[slots[0]?.block ?? -1]?.tensorHashes[slots[0]?.slot ?? -1];
      if (hash && !known.has(name)) tensors.set(name, { hash, evidence: "hash" });
    }
    return {
      blocks,
      tensors,
      bytes: countBytes(plan.wanted, tensors),
      verified: new Set([...plan.whole].filter((path) => sha256.has(path))),
    };
  } finally {
    await assembly.discard();
  }
}

function countBytes(
  wanted: readonly CheckpointTensor[],
  tensors: ReadonlyMap<string, { readonly evidence: Evidence }>,
): Record<Evidence, number> {
  const bytes = { hash: 0, file: 0, xet: 0 };
  for (const tensor of wanted) bytes[tensors.get(tensor.name)?.evidence ?? "hash"] += tensorBytes(tensor);
  return bytes;
}

function checkTypes(wanted: readonly CheckpointTensor[], targets: ReadonlyMap<string, TensorTargets>): void {
  const odd = wanted.find((tensor) => targets.has(tensor.name) && !isFloat(tensor.dtype));
  if (odd) throw new UnsupportedModelError(`quantised weights (${odd.dtype.toLowerCase()})`);
}

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
