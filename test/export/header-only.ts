import type { Checkpoint } from "../../crawler/checkpoint/open-checkpoint.ts";

/** A checkpoint that has names and shapes, and no weights: enough to build a backbone. */
export function headerOnly(shapes: Readonly<Record<string, readonly number[]>>): Checkpoint {
  const file = "model.safetensors";
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    const end = 4 * shape.reduce((product, dim) => product * dim, 1);
    return [name, { name, shape, dtype: "F32", begin: 0, end, file }] as const;
  });
  return { tensors: new Map(tensors), files: [file] };
}

type Shapes = Record<string, readonly number[]>;

/** Weight and bias of a module. */
const module = (name: string, out: number, ...rest: number[]): Shapes => ({
  [`${name}.weight`]: [out, ...rest],
  [`${name}.bias`]: [out],
});

/** The smallest ViT in transformers' names: width 4, two layers, 2 x 2 patches of 8 pixels. */
export const tinyViT: Shapes = {
  "vit.embeddings.cls_token": [1, 1, 4],
  "vit.embeddings.position_embeddings": [1, 5, 4],
  ...module("vit.embeddings.patch_embeddings.projection", 4, 3, 8, 8),
  ...Object.assign(
    {},
    ...[0, 1].map((index) => {
      const layer = `vit.encoder.layer.${index}`;
      return {
        ...module(`${layer}.layernorm_before`, 4),
        ...module(`${layer}.attention.attention.query`, 4, 4),
        ...module(`${layer}.attention.attention.key`, 4, 4),
        ...module(`${layer}.attention.attention.value`, 4, 4),
        ...module(`${layer}.attention.output.dense`, 4, 4),
        ...module(`${layer}.layernorm_after`, 4),
        ...module(`${layer}.intermediate.dense`, 6, 4),
        ...module(`${layer}.output.dense`, 4, 6),
      };
    }),
  ),
  ...module("vit.layernorm", 4),
  ...module("classifier", 3, 4),
};

/** Its configuration. */
export const tinyViTConfig = {
  model_type: "vit",
  hidden_size: 4,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 6,
  image_size: 16,
  patch_size: 8,
};

/** The same model in timm's names: one matrix for query, key and value. */
export const tinyTimmViT: Shapes = {
  cls_token: [1, 1, 4],
  pos_embed: [1, 5, 4],
  ...module("patch_embed.proj", 4, 3, 8, 8),
  ...Object.assign(
    {},
    ...[0, 1].map((index) => ({
      ...module(`blocks.${index}.norm1`, 4),
      ...module(`blocks.${index}.attn.qkv`, 12, 4),
      ...module(`blocks.${index}.attn.proj`, 4, 4),
      ...module(`blocks.${index}.norm2`, 4),
      ...module(`blocks.${index}.mlp.fc1`, 6, 4),
      ...module(`blocks.${index}.mlp.fc2`, 4, 6),
    })),
  ),
  ...module("norm", 4),
  ...module("head", 3, 4),
};

export const tinyTimmConfig = {
  architecture: "vit_base_patch16_224",
  model_args: { embed_dim: 4, depth: 2, num_heads: 2, img_size: 16, patch_size: 8 },
};
