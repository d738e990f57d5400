import { z } from "zod";
import { UnsupportedModelError } from "../errors.ts";
import { block, type BackbonePlan, type BlockPlan } from "./architecture.ts";
import type { LayerSettings } from "./encoder-layer.ts";
import { expectTensor } from "./expect-tensor.ts";
import { conv } from "./operators/conv.ts";
import { layerNorm } from "./operators/layer-norm.ts";
import { flattenMap, meanTokens, takeToken } from "./operators/tokens.ts";
import type { Ops, Value } from "./ops.ts";
import { MAX_LAYERS, type Params } from "./params.ts";
import type { GridSize } from "./resample-grid.ts";

/** Wider than any real model by far: the widest vision transformers have some 6,000 features. */
const MAX_WIDTH = 1 << 17;
/** In pixels. */
const MAX_SIDE = 1 << 14;

const width = z.int().min(1).max(MAX_WIDTH);
const side = z.int().min(1).max(MAX_SIDE);
/** A number counts for both sides. */
const sides = z
  .union([side, z.tuple([side, side])])
  .transform((size) => (typeof size === "number" ? [size, size] : size));

/** Defaults of a transformers configuration class; models differ in them. */
export interface TowerDefaults {
  readonly image: number | [height: number, width: number];
  readonly patch: number;
  readonly epsilon: number;
  readonly activation: string;
}

/** What every vision transformer's configuration says. */
export const towerSchema = ({ image, patch, epsilon, activation }: TowerDefaults) =>
  z.object({
    hidden_size: width.default(768),
    num_hidden_layers: z.int().min(1).max(MAX_LAYERS).default(12),
    num_attention_heads: z.int().min(1).max(MAX_WIDTH).default(12),
    hidden_act: z.string().max(100).default(activation),
    layer_norm_eps: z.number().min(0).max(1).default(epsilon),
    image_size: sides.prefault(image),
    patch_size: sides.prefault(patch),
    num_channels: z.literal(3, "only pictures of 3 channels are supported").default(3),
    pruned_heads: z.record(z.string(), z.array(z.int())).default({}),
  });

export type TowerConfig = z.output<ReturnType<typeof towerSchema>>;

/** With the width of the feed-forward part as a number of its own, as most have it. */
export const vitSchema = (defaults: TowerDefaults) =>
  towerSchema(defaults).extend({ intermediate_size: width.default(3072) });

/** Of those with a feed-forward width; where the configuration says nothing of them, query, key and value have biases. */
export type VitConfig = TowerConfig & { readonly intermediate_size: number; readonly qkv_bias?: boolean };

/** Rows and columns of patches that the model was made for. */
export function trainedGrid({ image_size: image, patch_size: patch }: TowerConfig): GridSize {
  const along = (axis: 0 | 1) => Math.floor((image[axis] ?? 0) / (patch[axis] ?? 1));
  return [along(0), along(1)];
}

/** The settings of a tower's layers. */
export function layerSettings(config: VitConfig): LayerSettings {
  const { hidden_size: hidden, num_attention_heads: heads, qkv_bias: hasBias = true } = config;
  if (hidden % heads !== 0) {
    throw new UnsupportedModelError(`config.json: ${heads} attention heads do not divide a width of ${hidden}`);
  }
  if (Object.values(config.pruned_heads).some((pruned) => pruned.length > 0)) {
    throw new UnsupportedModelError("layers with pruned attention heads are not supported");
  }
  return {
    layers: config.num_hidden_layers,
    width: hidden,
    innerWidth: config.intermediate_size,
    heads,
    epsilon: config.layer_norm_eps,
    activation: config.hidden_act,
    biases: [hasBias, hasBias, hasBias],
  };
}

/** Pictures -> one token a patch, by a convolution that moves a whole patch at a time. */
function embedPatches(g: Ops, x: Value<4>, p: Params, { hidden_size, patch_size }: TowerConfig): Value<3> {
  const [height = 0, width = 0] = patch_size;
  if (height !== width) throw new UnsupportedModelError(`patches of ${height} x ${width} pixels are not square`);
  expectTensor(p, "weight", [hidden_size, 3, height, width]);
  return flattenMap(g, conv(g, x, p, { stride: height, padding: 0 }));
}

/** A vision transformer, part by part. */
export interface Tower {
  /** The convolution that makes tokens of patches. */
  readonly patches: Params;
  /** Puts learnt tokens and positions to the patches. */
  embed(g: Ops, patches: Value<3>): Value<3>;
  /** What stands behind the embeddings. */
  readonly blocks: readonly BlockPlan[];
  readonly head: BlockPlan;
}

export function towerPlan(config: TowerConfig, { patches, embed, blocks, head }: Tower): BackbonePlan {
  const [height = 0, width = 0] = config.image_size;
  const embeddings = block("embeddings", 4, (g, x) => embed(g, embedPatches(g, x, patches, config)));
  return { input: { kind: "image", channels: 3, height, width }, blocks: [embeddings, ...blocks], head };
}

export const finalNorm = (p: Params, epsilon: number): BlockPlan =>
  block("final-norm", 3, (g, x) => layerNorm(g, x, p, epsilon));

/** The norm of the mean over the tokens, from number `from` on. */
export const pooler = (p: Params, from: number, epsilon: number): BlockPlan =>
  block("pooler", 3, (g, x) => layerNorm(g, meanTokens(g, x, from), p, epsilon));

/** The feature is the class token. */
export const classTokenFeature: BlockPlan = block("feature", 3, (g, x) => takeToken(g, x, 0));

/** The feature is the mean over the tokens, from number `from` on. */
export const meanFeature = (from = 0): BlockPlan => block("feature", 3, (g, x) => meanTokens(g, x, from));

/** The last block's value is the feature. */
export const vectorFeature: BlockPlan = block("feature", 2, (_g, x) => x);
