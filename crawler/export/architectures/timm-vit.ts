import { z } from "zod";
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { architecture, block, type BlockPlan } from "../architecture.ts";
import { encoderLayers, type LayerNames } from "../encoder-layer.ts";
import type { TensorRef } from "../graph.ts";
import { layerNorm } from "../operators/layer-norm.ts";
import { addPositions } from "../operators/position.ts";
import { insertTokens } from "../operators/tokens.ts";
import { MAX_LAYERS, type Params } from "../params.ts";
import * as tower from "../vision-tower.ts";
import { timmViTVariant } from "./timm-vit-variant.ts";

const names: LayerNames = {
  norms: ["norm1", "norm2"],
  projections: ["attn.qkv"],
  output: "attn.proj",
  feedForward: ["mlp.fc1", "mlp.fc2"],
};
const scaledNames: LayerNames = { ...names, scales: ["ls1.gamma", "ls2.gamma"] };

const sizeSchema = z.union([z.int().min(1), z.tuple([z.int().min(1), z.int().min(1)])]);
/** Arguments that change what a layer computes and leave no trace in the weights' names. */
const OTHER_ARGUMENTS = ["norm_layer", "embed_norm_layer", "block_fn", "mlp_layer", "attn_layer", "dynamic_img_pad"];

/** transformers' names, where timm has another. */
const ACTIVATIONS: Readonly<Record<string, string>> = { gelu_tanh: "gelu_pytorch_tanh" };

const configSchema = z.object({
  architecture: z.string().max(100),
  model_args: z
    .looseObject({
      img_size: sizeSchema.optional(),
      embed_dim: z.int().min(1).optional(),
      depth: z.int().min(1).max(MAX_LAYERS).optional(),
      num_heads: z.int().min(1).optional(),
      act_layer: z.string().max(100).optional(),
      dynamic_img_size: z.boolean().default(false),
    })
    .prefault({}),
  pretrained_cfg: z.looseObject({ input_size: z.tuple([z.int(), z.int(), z.int()]).optional() }).prefault({}),
});

/** The class token (and DeiT's distillation token) and the registers, in their order before the patches. */
const tokensOf = (p: Params): TensorRef[] =>
  ["cls_token", "dist_token", "reg_token"].filter((name) => p.has(name)).map((name) => p.tensor(name, 3));

/** What configuration, name and shapes tell, in the words of transformers' configurations. */
function settingsOf(p: Params, config: z.output<typeof configSchema>): tower.VitConfig {
  const { model_args: args, pretrained_cfg: pretrained } = config;
  const other = OTHER_ARGUMENTS.find((argument) => args[argument] !== undefined && args[argument] !== false);
  if (other) throw new UnsupportedModelError(`timm's model argument "${other}" is not supported`);
  if (p.has("blocks.0.attn.q_norm")) throw new UnsupportedModelError("attention with normalised queries and keys");
  const variant = timmViTVariant(config.architecture);
  const [width = 0, channels, ...patch] = p.tensor("patch_embed.proj.weight", 4).shape;
  if (channels !== 3) throw new UnsupportedModelError("only pictures of 3 channels are supported");
  const { act_layer: activation = variant.activation } = args;
  if (variant.activation === "swiglu" && activation !== "swiglu") {
    throw new UnsupportedModelError(`a gate of "${activation}" in the feed-forward part is not supported`);
  }
  const [, height, breadth] = pretrained.input_size ?? [3, 224, 224]; // the default of timm's class
  const [up = 0] = p.tensor("blocks.0.mlp.fc1.weight", 2).shape;
  return {
    hidden_size: args.embed_dim ?? width,
    intermediate_size: activation === "swiglu" ? up / 2 : up,
    num_hidden_layers: args.depth ?? p.count((index) => `blocks.${index}`),
    num_attention_heads: args.num_heads ?? variant.heads,
    hidden_act: ACTIVATIONS[activation] ?? activation,
    layer_norm_eps: variant.epsilon,
    image_size:
      typeof args.img_size === "number" ? [args.img_size, args.img_size] : (args.img_size ?? [height, breadth]),
    patch_size: patch,
    num_channels: 3,
    pruned_heads: {},
    qkv_bias: p.has("blocks.0.attn.qkv.bias"),
  };
}

/**
 * timm's own vision transformers (arXiv 2010.11929 and, by name, DeiT, CLIP, SigLIP and DINOv2): depth, width, tokens,
 * norms and layer scale show in the weights; the variant's name tells heads and activation.
 */
export const timmViT = architecture({
  name: "vit",
  modelTypes: ["timm:vit_*", "timm:deit_*", "timm:deit3_*"],
  config: configSchema,
  plan(p, config) {
    const settings = settingsOf(p, config);
    const grid = tower.trainedGrid(settings);
    const tokens = tokensOf(p);
    const count = tokens.reduce((sum, token) => sum + (token.shape[1] ?? 0), 0);
    const positions = p.tensor("pos_embed", 3);
    const others = (positions.shape[1] ?? 0) - grid[0] * grid[1];
    if (others !== 0 && others !== count) {
      throw new CheckpointError(
        `tensor "${positions.name}" does not fit ${grid.join(" x ")} patches and ${count} tokens`,
      );
    }
    // resized as transformers does it, unless the model is made to be resized: then as timm does it
    const options = { grid, before: others, antialias: config.model_args.dynamic_img_size };
    const preNorm = block("pre-norm", 3, (g, x) => layerNorm(g, x, p.at("norm_pre"), settings.layer_norm_eps));
    const layerNames = p.has("blocks.0.ls1") ? scaledNames : names;
    const { last, head } = lastBlock(p, count, settings.layer_norm_eps);
    return tower.towerPlan(settings, {
      patches: p.at("patch_embed.proj"),
      embed: (g, patches) =>
        others > 0
          ? addPositions(g, insertTokens(g, patches, tokens), positions, options)
          : insertTokens(g, addPositions(g, patches, positions, options), tokens),
      blocks: [
        ...(p.has("norm_pre") ? [preNorm] : []),
        ...encoderLayers(p, (index) => `blocks.${index}`, layerNames, tower.layerSettings(settings)),
        last,
      ],
      head,
    });
  },
});

/** The norm comes before or behind the pooling; the feature is the class token, without one the mean of the patches. */
function lastBlock(p: Params, tokens: number, epsilon: number): { last: BlockPlan; head: BlockPlan } {
  if (!p.has("fc_norm")) {
    const head = p.has("cls_token") ? tower.classTokenFeature : tower.meanFeature(tokens);
    return { last: tower.finalNorm(p.at("norm"), epsilon), head };
  }
  return { last: tower.pooler(p.at("fc_norm"), tokens, epsilon), head: tower.vectorFeature };
}
