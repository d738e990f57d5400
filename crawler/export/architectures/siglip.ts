import { architecture } from "../architecture.ts";
import { clipLayerNames, clipTowerPlan, visionConfigSchema } from "../clip-tower.ts";
import { findBackbone } from "../expect-tensor.ts";
import { finalNorm, meanFeature } from "../vision-tower.ts";

/** SigLIP's image tower (arXiv 2303.15343): no class token, no norm before the layers; the feature is the mean token. */
export const siglip = architecture({
  name: "siglip",
  modelTypes: ["siglip", "siglip_vision_model"],
  config: visionConfigSchema({ image: 224, patch: 16, epsilon: 1e-6, activation: "gelu_pytorch_tanh" }),
  plan(root, config) {
    const p = findBackbone(root, ["vision_model", ""], "embeddings.patch_embedding");
    return clipTowerPlan(p, config, {
      positions: "position_embedding.weight",
      hasClassToken: false,
      hasPreNorm: false,
      names: clipLayerNames,
      last: finalNorm(p.at("post_layernorm"), config.layer_norm_eps),
      head: meanFeature(),
    });
  },
});
