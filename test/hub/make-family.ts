import { createHash } from "node:crypto";
import type { RepositoryFiles } from "./make-hub-folder.ts";

/** What the weights of a made-up model follow from: parts of the same seed are equal in two models. */
export interface FamilySeeds {
  readonly backbone?: number;
  /** Of the last of the transformer's layers. */
  readonly lastLayer?: number;
  readonly head?: number;
}

export interface FamilyMember {
  readonly files: RepositoryFiles;
  /** The file `model.safetensors`. */
  readonly weights: Uint8Array;
  /** Where each tensor lies in the file, and the part that it belongs to. */
  readonly tensors: readonly { readonly part: keyof FamilySeeds; readonly begin: number; readonly end: number }[];
  /** Bytes of the tensors of each part, and of the whole weight file. */
  readonly bytes: {
    readonly backbone: number;
    readonly lastLayer: number;
    readonly head: number;
    readonly file: number;
  };
}

const WIDTH = 128;
const LAYERS = 4;
const CLASSES = 10;
const PATCHES = 4;

/**
 * A ViT of some 3 MB with random weights, as `transformers` writes it: tensors in the order of their names, the head
 * among them. The values look like trained ones to a compressor: exponents alike, mantissas random.
 * @param baseModel for the model's card
 */
export function makeFamilyMember(
  { backbone = 1, lastLayer = backbone, head = backbone }: FamilySeeds,
  { baseModel, classes = CLASSES }: { readonly baseModel?: string; readonly classes?: number } = {},
): FamilyMember {
  const parts = { backbone: 0, lastLayer: 0, head: 0 };
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  const values: Uint8Array[] = [];
  const tensors: { part: keyof FamilySeeds; begin: number; end: number }[] = [];
  let end = 0;
  for (const [name, shape] of Object.entries(shapes(classes)).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const part = name.startsWith("classifier.")
      ? "head"
      : name.includes(`layer.${LAYERS - 1}.`)
        ? "lastLayer"
        : "backbone";
    const seed = { backbone, lastLayer, head }[part];
    const bytes = randomFloats(
      `${name} ${seed}`,
      shape.reduce((a, b) => a * b, 1),
    );
    header[name] = { dtype: "F32", shape, data_offsets: [end, end + bytes.byteLength] };
    tensors.push({ part, begin: end, end: end + bytes.byteLength });
    end += bytes.byteLength;
    parts[part] += bytes.byteLength;
    values.push(bytes);
  }
  const text = JSON.stringify(header);
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const weights = Buffer.concat([length, json, ...values]);
  return {
    files: {
      "README.md": `---\nlicense: mit\nlibrary_name: transformers\n${baseModel ? `base_model: ${baseModel}\n` : ""}---\n`,
      "config.json": JSON.stringify(config(classes)),
      "preprocessor_config.json": JSON.stringify(PREPROCESSOR),
      "model.safetensors": weights,
    },
    weights,
    tensors: tensors.map((tensor) => ({
      ...tensor,
      begin: tensor.begin + 8 + json.length,
      end: tensor.end + 8 + json.length,
    })),
    bytes: { ...parts, file: weights.byteLength },
  };
}

function shapes(classes: number): Record<string, readonly number[]> {
  const found: Record<string, readonly number[]> = {
    "classifier.weight": [classes, WIDTH],
    "classifier.bias": [classes],
    "vit.embeddings.cls_token": [1, 1, WIDTH],
    "vit.embeddings.position_embeddings": [1, PATCHES * PATCHES + 1, WIDTH],
    "vit.embeddings.patch_embeddings.projection.weight": [WIDTH, 3, 16, 16],
    "vit.embeddings.patch_embeddings.projection.bias": [WIDTH],
    "vit.layernorm.weight": [WIDTH],
    "vit.layernorm.bias": [WIDTH],
  };
  for (let layer = 0; layer < LAYERS; layer++) {
    const linear = (name: string, out: number, into: number): void => {
      found[`vit.encoder.layer.${layer}.${name}.weight`] = [out, into];
      found[`vit.encoder.layer.${layer}.${name}.bias`] = [out];
    };
    for (const name of ["query", "key", "value"]) linear(`attention.attention.${name}`, WIDTH, WIDTH);
    linear("attention.output.dense", WIDTH, WIDTH);
    linear("intermediate.dense", 4 * WIDTH, WIDTH);
    linear("output.dense", WIDTH, 4 * WIDTH);
    for (const norm of ["layernorm_before", "layernorm_after"]) {
      for (const part of ["weight", "bias"]) found[`vit.encoder.layer.${layer}.${norm}.${part}`] = [WIDTH];
    }
  }
  return found;
}

const config = (classes: number) => ({
  architectures: ["ViTForImageClassification"],
  model_type: "vit",
  hidden_size: WIDTH,
  num_hidden_layers: LAYERS,
  num_attention_heads: 4,
  intermediate_size: 4 * WIDTH,
  hidden_act: "gelu",
  layer_norm_eps: 1e-12,
  image_size: 16 * PATCHES,
  patch_size: 16,
  num_channels: 3,
  qkv_bias: true,
  id2label: Object.fromEntries(Array.from({ length: classes }, (_, i) => [i, `class ${i}`])),
});

const PREPROCESSOR = {
  image_processor_type: "ViTImageProcessor",
  do_resize: true,
  size: { height: 16 * PATCHES, width: 16 * PATCHES },
  resample: 2,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
};

/** float32 between 0.0625 and 0.125, in a stream of hashes of the seed. */
function randomFloats(seed: string, count: number): Uint8Array {
  const bytes = Buffer.alloc(4 * count);
  for (let at = 0, step = 0; at < bytes.length; step++) {
    const digest = createHash("sha512").update(`${seed} ${step}`).digest();
    at += digest.copy(bytes, at);
  }
  for (let at = 0; at < bytes.length; at += 4) {
    bytes.writeUInt32LE(((bytes.readUInt32LE(at) & 0x007fffff) | 0x3d800000) >>> 0, at);
  }
  return bytes;
}
