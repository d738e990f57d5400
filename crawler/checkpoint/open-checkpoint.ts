import { z } from "zod";
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import { elementCount } from "../export/graph.ts";
import { parseJsonFile } from "../parse-json.ts";
import type { Repository, RepositoryFile } from "../repository.ts";
import { DTYPE_BYTES } from "./dtype.ts";
import { sha256Of, type ReadPart } from "./part-hashes.ts";
import { readPart } from "./read-part.ts";
import { parseHeaderLength, parseSafetensorsHeader, type TensorEntry } from "./safetensors-header.ts";
import { openTorchFile } from "./torch/open-torch-file.ts";

/** A tensor and the file of the repository that it lies in. */
export interface CheckpointTensor extends TensorEntry {
  readonly file: string;
}

/** Bytes of a tensor's values. */
export const tensorBytes = ({ dtype, shape }: TensorEntry): number => elementCount(shape) * DTYPE_BYTES[dtype];

/** What a checkpoint's headers say: names, types, shapes and places of all tensors; no weights. */
export interface Checkpoint {
  /** In checkpoint order: file by file, then by offset. */
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  readonly files: readonly string[];
  /** What was read of torch files to learn this; a safetensors header is one piece that can be read again. */
  readonly headers?: readonly ReadPart[];
}

export interface OpenCheckpointOptions {
  /** Whether torch .bin files are read where there are no safetensors. They are parsed, never executed. */
  readonly includePickle?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The header of a file that is known already, so that it need not be read. */
  readonly knownHeader?: (file: RepositoryFile) => Promise<readonly TensorEntry[] | null>;
}

/** Why a model is unsupported that `includePickle` makes readable. */
export const PICKLE_ONLY_REASON =
  "only torch .bin weights: pass --include-pickle to read them (they are parsed, never executed)";

/** One file, or the index of several: in the order of preference. */
const SAFETENSORS = { single: "model.safetensors", index: "model.safetensors.index.json" };
const TORCH = { single: "pytorch_model.bin", index: "pytorch_model.bin.index.json" };
/** The index of a model with some 10^5 tensors stays below this. */
const MAX_INDEX_BYTES = 25_000_000;
/** Most headers are smaller, so that one request reads length and header. */
const FIRST_READ_BYTES = 100_000;

const indexSchema = z.object({ weight_map: z.record(z.string().max(1000), z.string().max(1000)) });

/**
 * Reads the headers of a repository's weight files, by range; no weights are read. Safetensors are preferred.
 * @throws UnsupportedModelError when there are no weights that are read, CheckpointError when a header lies
 */
export async function openCheckpoint(
  repository: Repository,
  files: readonly RepositoryFile[],
  { includePickle = false, signal, knownHeader }: OpenCheckpointOptions = {},
): Promise<Checkpoint> {
  const sizes = new Map(files.map((file) => [file.path, file.size]));
  const { names, isTorch } = await weightFiles(repository, sizes, includePickle, signal);
  const tensors = new Map<string, CheckpointTensor>();
  const headers: ReadPart[] = [];
  for (const file of names) {
    const listed = files.find(({ path }) => path === file);
    const known = listed && (await knownHeader?.(listed));
    const read = async (begin: number, end: number): Promise<Uint8Array> => {
      const bytes = await readPart(repository, file, begin, end, signal);
      if (isTorch && end > begin) headers.push({ file, begin, end, sha256: sha256Of(bytes) });
      return bytes;
    };
    for (const entry of known ?? (await readHeader(read, file, sizes.get(file) ?? 0, isTorch))) {
      const twin = tensors.get(entry.name);
      if (twin) throw new CheckpointError(`tensor "${entry.name}" is in both ${twin.file} and ${file}`);
      tensors.set(entry.name, { ...entry, file });
    }
  }
  return { tensors, files: names, headers };
}

async function weightFiles(
  repository: Repository,
  sizes: ReadonlyMap<string, number>,
  includePickle: boolean,
  signal?: AbortSignal,
): Promise<{ readonly names: readonly string[]; readonly isTorch: boolean }> {
  for (const { single, index } of [SAFETENSORS, TORCH]) {
    const isTorch = single === TORCH.single;
    if (!sizes.has(single) && !sizes.has(index)) continue;
    if (isTorch && !includePickle) throw new UnsupportedModelError(PICKLE_ONLY_REASON);
    return { names: sizes.has(single) ? [single] : await listShards(repository, sizes, index, signal), isTorch };
  }
  const other = [...sizes.keys()].find((path) => /\.(bin|ckpt|pt|pth|h5|msgpack|onnx|gguf)$/.test(path));
  throw new UnsupportedModelError(
    other === undefined
      ? "no weights: the repository has no safetensors file"
      : `no safetensors weights, only ${other}: a file format that is not read`,
  );
}

async function listShards(
  repository: Repository,
  sizes: ReadonlyMap<string, number>,
  index: string,
  signal?: AbortSignal,
): Promise<string[]> {
  const json = parseJsonFile(await repository.readFile(index, MAX_INDEX_BYTES, signal), index);
  const parsed = indexSchema.safeParse(json);
  if (!parsed.success) throw new CheckpointError(`${index} is not an index of weight files`, { cause: parsed.error });
  const shards = [...new Set(Object.values(parsed.data.weight_map))].sort();
  const missing = shards.find((shard) => !sizes.has(shard));
  if (missing !== undefined) throw new CheckpointError(`${index} names ${JSON.stringify(missing)}, which is not there`);
  return shards;
}

async function readHeader(
  read: (begin: number, end: number) => Promise<Uint8Array>,
  file: string,
  size: number,
  isTorch: boolean,
): Promise<TensorEntry[]> {
  try {
    return await (isTorch ? openTorchFile({ size, read }) : readSafetensorsHeader(size, read));
  } catch (cause) {
    if (cause instanceof CheckpointError) throw new CheckpointError(`${file}: ${cause.message}`, { cause });
    throw cause;
  }
}

async function readSafetensorsHeader(
  size: number,
  read: (begin: number, end: number) => Promise<Uint8Array>,
): Promise<TensorEntry[]> {
  const first = await read(0, Math.min(size, FIRST_READ_BYTES));
  const length = parseHeaderLength(first, size);
  const rest = 8 + length > first.byteLength ? await read(first.byteLength, 8 + length) : new Uint8Array(0);
  return parseSafetensorsHeader(Buffer.concat([first, rest]).subarray(8, 8 + length), size);
}
