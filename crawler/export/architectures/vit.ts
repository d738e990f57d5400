import { z } from "zod";
import { architecture, type BackbonePlan } from "../architecture.ts";
import { encoderLayers, type LayerNames } from "../encoder-layer.ts";
import { findBackbone } from "../expect-tensor.ts";
import { addPositions } from "../operators/position.ts";
import { insertTokens } from "../operators/tokens.ts";
import type { Params } from "../params.ts";
import { classTokenFeature, finalNorm, layerSettings, towerPlan, trainedGrid, vitSchema } from "../vision-tower.ts";

/** transformers' names of a ViT layer, and of many models made after it. */
export const vitLayerNames: LayerNames = {
  norms: ["layernorm_before", "layernorm_after"],
  projections: ["attention.attention.query", "attention.attention.key", "attention.attention.value"],
  output: "attention.output.dense",
  feedForward: ["intermediate.dense", "output.dense"],
};

export const vitLayerPath = (index: number): string => `encoder.layer.${index}`;

export const vitConfigSchema = vitSchema({ image: 224, patch: 16, epsilon: 1e-12, activation: "gelu" }).extend({
  qkv_bias: z.boolean().default(true),
});

/**
 * ViT (arXiv 2010.11929): patches and learnt tokens with position embeddings, encoder layers, a final norm.
 * @param tokens names of the learnt tokens before the patches
 */
export function vitPlan(p: Params, config: z.output<typeof vitConfigSchema>, tokens: readonly string[]): BackbonePlan {
  const embeddings = p.at("embeddings");
  return towerPlan(config, {
    patches: embeddings.at("patch_embeddings.projection"),
    embed(g, patches) {
      const learnt = tokens.map((token) => embeddings.tensor(token, 3));
      const positions = { grid: trainedGrid(config), before: tokens.length };
      return addPositions(g, insertTokens(g, patches, learnt), embeddings.tensor("position_embeddings", 3), positions);
    },
    blocks: [
      ...encoderLayers(p, vitLayerPath, vitLayerNames, layerSettings(config)),
      finalNorm(p.at("layernorm"), config.layer_norm_eps),
    ],
    head: classTokenFeature,
  });
}

export const vit = architecture({
  name: "vit",
  modelTypes: ["vit"],
  config: vitConfigSchema,
  plan: (root, config) => vitPlan(findBackbone(root, ["vit", ""], "embeddings"), config, ["cls_token"]),
});
