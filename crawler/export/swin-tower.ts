import { z } from "zod";
import { UnsupportedModelError } from "../errors.ts";
import { block, type BackbonePlan } from "./architecture.ts";
import { expectLayers } from "./expect-layers.ts";
import { expectTensor } from "./expect-tensor.ts";
import { activate } from "./operators/activation.ts";
import { conv } from "./operators/conv.ts";
import { layerNorm } from "./operators/layer-norm.ts";
import { linear } from "./operators/linear.ts";
import { mergePatches } from "./operators/merge-patches.ts";
import { patchPad } from "./operators/pad.ts";
import { flattenMap } from "./operators/tokens.ts";
import type { Ops, Value } from "./ops.ts";
import type { Params } from "./params.ts";
import {
  epsilonSchema,
  layerCountsSchema,
  patchSideSchema,
  pictureInput,
  pictureSchema,
  smallNumberSchema,
  stageNumbersSchema,
  widthSchema,
} from "./picture-settings.ts";
import { finalNorm, meanFeature } from "./vision-tower.ts";

/** Of the norms outside the layers, whatever the configuration says. */
export const SWIN_EPSILON = 1e-5;

/** What the configurations of Swin, Swin V2 and Donut's encoder say, with transformers' defaults. */
export const swinSchema = pictureSchema({ image: 224, activation: "gelu" }).extend({
  patch_size: patchSideSchema.default(4),
  embed_dim: widthSchema.default(96),
  depths: layerCountsSchema.default([2, 2, 6, 2]),
  num_heads: stageNumbersSchema.default([3, 6, 12, 24]),
  window_size: smallNumberSchema.default(7),
  mlp_ratio: z.number().gt(0).max(1000).default(4),
  qkv_bias: z.boolean().default(true),
  layer_norm_eps: epsilonSchema.default(1e-5),
  use_absolute_embeddings: z
    .literal(false, "absolute position embeddings, which transformers' own Swin fails to add")
    .default(false),
});
export type SwinConfig = z.output<typeof swinSchema>;

/** Where a layer stands. */
export interface SwinLayer {
  readonly stage: number;
  readonly index: number;
  readonly heads: number;
}

/** What Swin and Swin V2 do differently. */
export interface SwinVersion {
  layer(g: Ops, x: Value<3>, p: Params, at: SwinLayer): Value<3>;
  /** Brings the features of four tokens, side by side, to twice the width of one. */
  reduce(g: Ops, x: Value<3>, p: Params): Value<3>;
}

/**
 * Swin's chain: patches, stages of layers with patch merging between them, and a last norm, which Donut leaves out.
 * @param p the backbone's own names: `embeddings` and `encoder` stand directly below it
 */
export function swinPlan(p: Params, config: SwinConfig, version: SwinVersion, { norm = true } = {}): BackbonePlan {
  const { depths, num_heads: heads, patch_size: patch } = config;
  const embeddings = p.at("embeddings");
  const stages = expectLayers(p, (stage) => `encoder.layers.${stage}`, depths.length).map((stage) => {
    const path = p.at(`encoder.layers.${stage}`);
    const headCount = heads[stage];
    if (headCount === undefined) throw new UnsupportedModelError(`config.json: num_heads lacks stage ${stage}`);
    const layers = expectLayers(path, (index) => `blocks.${index}`, depths[stage] ?? 0).map((index) =>
      block(`stage${stage}.layer${index}`, 3, (g, x) =>
        version.layer(g, x, path.at(`blocks.${index}`), { stage, index, heads: headCount }),
      ),
    );
    const merge = block(`stage${stage}.merge`, 3, (g, x) =>
      version.reduce(g, mergePatches(g, x), path.at("downsample")),
    );
    return stage < depths.length - 1 ? [...layers, merge] : layers;
  });
  return {
    input: pictureInput(config),
    blocks: [
      block("embeddings", 4, (g, x) => {
        const projection = embeddings.at("patch_embeddings.projection");
        expectTensor(projection, "weight", [config.embed_dim, config.num_channels, patch, patch]);
        const patches = conv(g, patchPad(g, x, patch), projection, { stride: patch, padding: 0 });
        return layerNorm(g, flattenMap(g, patches), embeddings.at("norm"), SWIN_EPSILON);
      }),
      ...stages.flat(),
      ...(norm ? [finalNorm(p.at("layernorm"), config.layer_norm_eps)] : []),
    ],
    head: meanFeature(),
  };
}

/** The second half of a layer, as in every transformer. */
export function swinFeedForward(g: Ops, x: Value<3>, p: Params, { hidden_act, mlp_ratio }: SwinConfig): Value<3> {
  const width = x.info.dims[1] ?? 0;
  expectTensor(p, "intermediate.dense.weight", [Math.floor(mlp_ratio * width), width]);
  return linear(g, activate(g, linear(g, x, p.at("intermediate.dense")), hidden_act), p.at("output.dense"));
}

export const reduceFeatures = (g: Ops, x: Value<3>, p: Params): Value<3> =>
  linear(g, x, p.at("reduction"), { bias: false });
