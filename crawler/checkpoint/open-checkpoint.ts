import { z } from "zod";
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import type { Repository, RepositoryFile } from "../repository.ts";
import { parseHeaderLength, parseSafetensorsHeader, type TensorEntry } from "./safetensors-header.ts";

/** A tensor and the file of the repository that it lies in. */
export interface CheckpointTensor extends TensorEntry {
  readonly file: string;
}

/** What a checkpoint's headers say: names, types, shapes and places of all tensors; no weights. */
export interface Checkpoint {
  /** In checkpoint order: file by file, then by offset. */
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  readonly files: readonly string[];
}

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";
/** The index of a model with some 10^5 tensors stays below this. */
const MAX_INDEX_BYTES = 50_000_000;
/** Most headers are smaller, so that one request reads length and header. */
const FIRST_READ_BYTES = 100_000;

const indexSchema = z.object({ weight_map: z.record(z.string().max(1000), z.string().max(1000)) });

/**
 * Reads the headers of a repository's weight files, by range; no weights are read.
 * @throws UnsupportedModelError when there is no safetensors file, CheckpointError when a header lies
 */
export async function openCheckpoint(
  repository: Repository,
  files: readonly RepositoryFile[],
  signal?: AbortSignal,
): Promise<Checkpoint> {
  const sizes = new Map(files.map((file) => [file.path, file.size]));
  const names = await weightFiles(repository, sizes, signal);
  const tensors = new Map<string, CheckpointTensor>();
  for (const file of names) {
    for (const entry of await readHeader(repository, file, sizes.get(file) ?? 0, signal)) {
      const twin = tensors.get(entry.name);
      if (twin) throw new CheckpointError(`tensor "${entry.name}" is in both ${twin.file} and ${file}`);
      tensors.set(entry.name, { ...entry, file });
    }
  }
  return { tensors, files: names };
}

async function weightFiles(repository: Repository, sizes: ReadonlyMap<string, number>, signal?: AbortSignal) {
  if (sizes.has(SINGLE)) return [SINGLE];
  if (sizes.has(INDEX)) {
    const text = new TextDecoder().decode(await repository.readFile(INDEX, MAX_INDEX_BYTES, signal));
    const shards = [...new Set(Object.values(parseIndex(text).weight_map))].sort();
    const missing = shards.find((shard) => !sizes.has(shard));
    if (missing !== undefined)
      throw new CheckpointError(`${INDEX} names ${JSON.stringify(missing)}, which is not there`);
    return shards;
  }
  const other = [...sizes.keys()].find((path) => /^(pytorch_model.*\.bin|.*\.(ckpt|pt|h5|msgpack))$/.test(path));
  throw new UnsupportedModelError(
    other === undefined
      ? "no weights: the repository has no safetensors file"
      : `no safetensors weights, only ${other}: a file format that can carry code is not read`,
  );
}

function parseIndex(text: string): z.infer<typeof indexSchema> {
  try {
    return indexSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new CheckpointError(`${INDEX} is not a safetensors index`, { cause });
  }
}

async function readHeader(repository: Repository, file: string, size: number, signal?: AbortSignal) {
  try {
    const first = await readBytes(repository, file, 0, Math.min(size, FIRST_READ_BYTES), signal);
    const length = parseHeaderLength(first, size);
    const rest =
      8 + length > first.byteLength
        ? await readBytes(repository, file, first.byteLength, 8 + length, signal)
        : new Uint8Array(0);
    return parseSafetensorsHeader(Buffer.concat([first, rest]).subarray(8, 8 + length), size);
  } catch (cause) {
    if (cause instanceof CheckpointError) throw new CheckpointError(`${file}: ${cause.message}`, { cause });
    throw cause;
  }
}

async function readBytes(repository: Repository, file: string, begin: number, end: number, signal?: AbortSignal) {
  const chunks: Uint8Array[] = [];
  for await (const chunk of repository.readRange(file, begin, end, signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
