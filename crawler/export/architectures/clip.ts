import { architecture, block } from "../architecture.ts";
import { clipLayerNames, clipTowerPlan, visionConfigSchema } from "../clip-tower.ts";
import { findBackbone } from "../expect-tensor.ts";
import { layerNorm } from "../operators/layer-norm.ts";
import { takeToken } from "../operators/tokens.ts";
import { vectorFeature } from "../vision-tower.ts";

/** CLIP's image tower (arXiv 2103.00020); its feature is the normalised class token, before the projection. */
export const clip = architecture({
  name: "clip",
  modelTypes: ["clip", "clip_vision_model"],
  config: visionConfigSchema({ image: 224, patch: 32, epsilon: 1e-5, activation: "quick_gelu" }),
  plan(root, config) {
    const p = findBackbone(root, ["vision_model", "clip.vision_model", ""], "pre_layrnorm");
    return clipTowerPlan(p, config, {
      positions: "position_embedding.weight",
      hasClassToken: true,
      hasPreNorm: true,
      names: clipLayerNames,
      last: block("final-norm", 3, (g, x) =>
        layerNorm(g, takeToken(g, x, 0), p.at("post_layernorm"), config.layer_norm_eps),
      ),
      head: vectorFeature,
    });
  },
});
