import { z } from "zod";
import { architecture, type BackbonePlan } from "../architecture.ts";
import { encoderLayers, type LayerNames, type LayerSettings } from "../encoder-layer.ts";
import { findBackbone } from "../expect-tensor.ts";
import { addPositions } from "../operators/position.ts";
import { insertTokens } from "../operators/tokens.ts";
import type { Params } from "../params.ts";
import { classTokenFeature, finalNorm, layerSettings, towerPlan, towerSchema, trainedGrid } from "../vision-tower.ts";
import { vitLayerNames, vitLayerPath } from "./vit.ts";

const layerNames: LayerNames = {
  ...vitLayerNames,
  norms: ["norm1", "norm2"],
  feedForward: ["mlp.fc1", "mlp.fc2"],
  scales: ["layer_scale1.lambda1", "layer_scale2.lambda1"],
};
const gatedNames: LayerNames = { ...layerNames, feedForward: ["mlp.weights_in", "mlp.weights_out"] };

/** @param patch default of its side, in which the configurations of DINOv2 with and without registers differ */
export const dinov2Schema = (patch: number) =>
  towerSchema({ image: 224, patch, epsilon: 1e-6, activation: "gelu" }).extend({
    mlp_ratio: z.number().positive().max(1000).default(4),
    qkv_bias: z.boolean().default(true),
    use_swiglu_ffn: z.boolean().default(false),
  });

type Dinov2Config = z.output<ReturnType<typeof dinov2Schema>>;

/** The gated feed-forward part has two thirds of the width, rounded up to eights, as in the paper's code. */
function settingsOf(config: Dinov2Config): LayerSettings {
  const inner = Math.trunc(config.hidden_size * config.mlp_ratio);
  if (!config.use_swiglu_ffn) return layerSettings({ ...config, intermediate_size: inner });
  const gated = Math.floor((Math.trunc((inner * 2) / 3) + 7) / 8) * 8;
  return layerSettings({ ...config, intermediate_size: gated, hidden_act: "swiglu" });
}

/** @param registers further tokens behind the class token, without positions */
export function dinov2Plan(
  p: Params,
  config: Dinov2Config,
  { antialias, registers }: { readonly antialias: boolean; readonly registers: boolean },
): BackbonePlan {
  const embeddings = p.at("embeddings");
  const positions = { grid: trainedGrid(config), before: 1, antialias };
  return towerPlan(config, {
    patches: embeddings.at("patch_embeddings.projection"),
    embed(g, patches) {
      const tokens = insertTokens(g, patches, [embeddings.tensor("cls_token", 3)]);
      const placed = addPositions(g, tokens, embeddings.tensor("position_embeddings", 3), positions);
      return registers ? insertTokens(g, placed, [embeddings.tensor("register_tokens", 3)], 1) : placed;
    },
    blocks: [
      ...encoderLayers(p, vitLayerPath, config.use_swiglu_ffn ? gatedNames : layerNames, settingsOf(config)),
      finalNorm(p.at("layernorm"), config.layer_norm_eps),
    ],
    head: classTokenFeature,
  });
}

/** DINOv2 (arXiv 2304.07193): a ViT with layer scale. */
export const dinov2 = architecture({
  name: "dinov2",
  modelTypes: ["dinov2"],
  config: dinov2Schema(14),
  plan: (root, config) =>
    dinov2Plan(findBackbone(root, ["dinov2", ""], "embeddings"), config, { antialias: false, registers: false }),
});
