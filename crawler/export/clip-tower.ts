import { z } from "zod";
import { block, type BackbonePlan, type BlockPlan } from "./architecture.ts";
import { encoderLayers, type LayerNames } from "./encoder-layer.ts";
import { layerNorm } from "./operators/layer-norm.ts";
import { addPositions } from "./operators/position.ts";
import { insertTokens } from "./operators/tokens.ts";
import type { Params } from "./params.ts";
import { layerSettings, towerPlan, trainedGrid, vitSchema, type TowerDefaults } from "./vision-tower.ts";

/** transformers' names of a CLIP layer. */
export const clipLayerNames: LayerNames = {
  norms: ["layer_norm1", "layer_norm2"],
  projections: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
  output: "self_attn.out_proj",
  feedForward: ["mlp.fc1", "mlp.fc2"],
};

export type ClipTowerConfig = z.output<ReturnType<typeof vitSchema>>;

/**
 * Configuration of an image tower: `vision_config` of a model of two towers, or the whole of a model that is a tower
 * alone (`…_vision_model`). Where the older `vision_config_dict` is there, it wins, as in transformers.
 */
export const visionConfigSchema = (defaults: TowerDefaults) =>
  z
    .looseObject({
      model_type: z.string().optional(),
      vision_config: z.unknown().optional(),
      vision_config_dict: z.unknown().optional(),
    })
    .transform((config) =>
      config.model_type?.endsWith("_vision_model") ? config : (config.vision_config_dict ?? config.vision_config ?? {}),
    )
    .pipe(vitSchema(defaults));

/** Where one of CLIP's kin differs from the others. */
export interface ClipTower {
  /** The position embeddings' tensor below `embeddings`. */
  readonly positions: string;
  readonly hasClassToken: boolean;
  /** transformers' spelling, for CLIP and GIT. */
  readonly hasPreNorm: boolean;
  readonly names: LayerNames;
  /** What stands behind the layers. */
  readonly last: BlockPlan;
  readonly head: BlockPlan;
}

/** CLIP's image tower (arXiv 2103.00020), a ViT that normalises its embeddings too, and towers made after it. */
export function clipTowerPlan(p: Params, config: ClipTowerConfig, tower: ClipTower): BackbonePlan {
  const embeddings = p.at("embeddings");
  const preNorm = block("pre-norm", 3, (g, x) => layerNorm(g, x, p.at("pre_layrnorm"), config.layer_norm_eps));
  return towerPlan(config, {
    patches: embeddings.at("patch_embedding"),
    embed(g, patches) {
      const tokens = tower.hasClassToken ? [embeddings.tensor("class_embedding")] : [];
      const positions = { grid: trainedGrid(config), before: tokens.length };
      return addPositions(g, insertTokens(g, patches, tokens), embeddings.tensor(tower.positions), positions);
    },
    blocks: [
      ...(tower.hasPreNorm ? [preNorm] : []),
      ...encoderLayers(p, (index) => `encoder.layers.${index}`, tower.names, layerSettings(config)),
      tower.last,
    ],
    head: tower.head,
  });
}
