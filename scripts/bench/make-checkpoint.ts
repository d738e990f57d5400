import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DTYPE_BYTES } from "../../crawler/checkpoint/dtype.ts";
import { elementCount } from "../../crawler/export/graph.ts";
import { fakeViT } from "./fake-checkpoint.ts";
import { randomWeights } from "./random-weights.ts";

/** Types of weights that the benchmark writes. */
export const CHECKPOINT_DTYPES = ["F32", "F16", "BF16"] as const;
export type CheckpointDtype = (typeof CHECKPOINT_DTYPES)[number];

export interface CheckpointOptions {
  readonly folder: string;
  /** About so many bytes of weights: whole layers are taken. */
  readonly bytes: number;
  readonly dtype: CheckpointDtype;
  /** Weight files that the tensors are shared out to, as transformers writes them. */
  readonly shards: number;
  readonly seed: number;
}

export interface MadeCheckpoint {
  /** Paths of the weight files. */
  readonly files: readonly string[];
  readonly bytes: number;
  readonly layers: number;
}

/** google/vit-large-patch16-224-in21k, but for its depth. */
const VIT_LARGE = { width: 1024, heads: 16, patch: 16, image: 224 };
/** Parameters of one of its layers: 12 matrices of width x width, and biases and norms. */
const LAYER_PARAMETERS = 12 * VIT_LARGE.width ** 2 + 13 * VIT_LARGE.width;

/** Writes a model folder as a hub repository has it: a ViT-Large as deep as the bytes ask for, with random weights. */
export async function makeCheckpoint(options: CheckpointOptions): Promise<MadeCheckpoint> {
  const { folder, bytes, dtype, shards, seed } = options;
  const layers = Math.max(1, Math.round(bytes / (LAYER_PARAMETERS * DTYPE_BYTES[dtype])));
  const { config, checkpoint } = fakeViT({ ...VIT_LARGE, layers });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  const values = randomWeights(seed);
  const tensors = [...checkpoint.tensors.values()];
  const files: string[] = [];
  const weightMap: Record<string, string> = {};
  let total = 0;
  for (let shard = 0; shard < shards; shard++) {
    const part = tensors.slice(
      Math.floor((shard * tensors.length) / shards),
      Math.floor(((shard + 1) * tensors.length) / shards),
    );
    const name = shards === 1 ? "model.safetensors" : `model-${digits(shard + 1)}-of-${digits(shards)}.safetensors`;
    for (const tensor of part) weightMap[tensor.name] = name;
    const file = join(folder, name);
    total += await writeSafetensors(file, part, dtype, (tensor) => values(tensor, hashOf(tensor.name, seed)));
    files.push(file);
  }
  if (shards > 1) {
    await writeFile(join(folder, "model.safetensors.index.json"), JSON.stringify({ weight_map: weightMap }));
  }
  return { files, bytes: total, layers };
}

interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

async function writeSafetensors<T extends NamedShape>(
  path: string,
  tensors: readonly T[],
  dtype: CheckpointDtype,
  valuesOf: (tensor: T) => Float32Array<ArrayBuffer>,
): Promise<number> {
  let end = 0;
  const header = Object.fromEntries(
    tensors.map(({ name, shape }) => {
      const begin = end;
      end += elementCount(shape) * DTYPE_BYTES[dtype];
      return [name, { dtype, shape, data_offsets: [begin, end] }];
    }),
  );
  const text = JSON.stringify({ __metadata__: { format: "pt" }, ...header });
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8)); // as the reference implementation aligns weights
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.byteLength));
  const file = await open(path, "wx");
  try {
    await file.writeFile(Buffer.concat([length, json]));
    for (const tensor of tensors) await file.writeFile(narrow(valuesOf(tensor), dtype));
    await file.sync();
  } finally {
    await file.close();
  }
  return 8 + json.byteLength + end;
}

/** Halves that are as good as any: the upper bits of the float32 for BF16, and for F16 a small number of the same sign. */
function narrow(values: Float32Array<ArrayBuffer>, dtype: CheckpointDtype): Uint8Array {
  if (dtype === "F32") return new Uint8Array(values.buffer);
  const words = new Uint32Array(values.buffer);
  const halves =
    dtype === "BF16"
      ? Uint16Array.from(words, (word) => word >>> 16)
      : Uint16Array.from(words, (word) => ((word >>> 16) & 0x8000) | 0x2400 | ((word >>> 13) & 0x7ff));
  return new Uint8Array(halves.buffer);
}

const digits = (count: number): string => String(count).padStart(5, "0");

/** A seed of its own for each tensor, so that no two layers are equal (FNV-1a). */
function hashOf(name: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let index = 0; index < name.length; index++) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
