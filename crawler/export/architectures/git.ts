import { architecture } from "../architecture.ts";
import { clipLayerNames, clipTowerPlan, visionConfigSchema } from "../clip-tower.ts";
import { findBackbone } from "../expect-tensor.ts";
import { classTokenFeature, finalNorm } from "../vision-tower.ts";

const PREFIXES = ["git.image_encoder.vision_model", "image_encoder.vision_model", "vision_model", ""];

/** GIT (arXiv 2205.14100): its image encoder is CLIP's tower, with the norm over all tokens at the end. */
export const git = architecture({
  name: "git",
  modelTypes: ["git", "git_vision_model"],
  config: visionConfigSchema({ image: 224, patch: 16, epsilon: 1e-5, activation: "quick_gelu" }),
  plan(root, config) {
    const p = findBackbone(root, PREFIXES, "pre_layrnorm");
    const last = finalNorm(p.at("post_layernorm"), config.layer_norm_eps);
    const shape = { positions: "position_embedding.weight", hasClassToken: true, hasPreNorm: true };
    return clipTowerPlan(p, config, { ...shape, names: clipLayerNames, last, head: classTokenFeature });
  },
});
