import { architecture } from "../architecture.ts";
import { clipLayerNames, clipTowerPlan, visionConfigSchema } from "../clip-tower.ts";
import type { LayerNames } from "../encoder-layer.ts";
import { findBackbone } from "../expect-tensor.ts";
import { classTokenFeature, finalNorm } from "../vision-tower.ts";

const names: LayerNames = { ...clipLayerNames, projections: ["self_attn.qkv"], output: "self_attn.projection" };

/** BLIP's image tower (arXiv 2201.12086): a ViT; the class token goes through the final norm once. */
export const blip = architecture({
  name: "blip",
  modelTypes: ["blip", "blip_vision_model"],
  config: visionConfigSchema({ image: 384, patch: 16, epsilon: 1e-5, activation: "gelu" }),
  plan(root, config) {
    const p = findBackbone(root, ["vision_model", "blip.vision_model", ""], "embeddings.class_embedding");
    const last = finalNorm(p.at("post_layernorm"), config.layer_norm_eps);
    const shape = { positions: "position_embedding", hasClassToken: true, hasPreNorm: false, names };
    return clipTowerPlan(p, config, { ...shape, last, head: classTokenFeature });
  },
});
