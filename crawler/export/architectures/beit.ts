import { z } from "zod";
import { architecture, type BlockPlan } from "../architecture.ts";
import { encoderLayers } from "../encoder-layer.ts";
import { findBackbone } from "../expect-tensor.ts";
import { add } from "../operators/elementwise.ts";
import { addPositions } from "../operators/position.ts";
import { relativeBias } from "../operators/relative-bias.ts";
import { insertTokens } from "../operators/tokens.ts";
import type { Ops, Value } from "../ops.ts";
import type { Params } from "../params.ts";
import * as tower from "../vision-tower.ts";
import { vitLayerNames, vitLayerPath } from "./vit.ts";

const TABLE = "relative_position_bias.relative_position_bias_table";

/**
 * BEiT (arXiv 2106.08254): a ViT that knows positions by their distance, from a table for each layer or one for all.
 * The feature is the normalised mean of the patches; without mean pooling, the class token after the final norm.
 */
export const beit = architecture({
  name: "beit",
  modelTypes: ["beit"],
  config: tower.vitSchema({ image: 224, patch: 16, epsilon: 1e-12, activation: "gelu" }).extend({
    use_absolute_position_embeddings: z.boolean().default(false),
    use_relative_position_bias: z.boolean().default(false),
    use_shared_relative_position_bias: z.boolean().default(false),
    layer_scale_init_value: z.number().default(0.1),
    use_mean_pooling: z.boolean().default(true),
  }),
  plan(root, config) {
    const p = findBackbone(root, ["beit", ""], "embeddings");
    const embeddings = p.at("embeddings");
    const grid = tower.trainedGrid(config);
    const biasOf = (g: Ops, x: Value<3>, owner: Params) => relativeBias(g, x, owner.tensor(TABLE, 2), grid);
    const scoreBias = (g: Ops, x: Value<3>, layer: Params) => {
      const own = config.use_relative_position_bias ? biasOf(g, x, layer.at("attention.attention")) : undefined;
      if (!config.use_shared_relative_position_bias) return own;
      const shared = biasOf(g, x, p.at("encoder"));
      return own ? add(g, own, shared) : shared;
    };
    const settings = { ...tower.layerSettings(config), biases: [true, false, true] as const, scoreBias };
    const scales = ["lambda_1", "lambda_2"] as const;
    const names = config.layer_scale_init_value > 0 ? { ...vitLayerNames, scales } : vitLayerNames;
    const { last, head } = lastBlock(p, config.use_mean_pooling, config.layer_norm_eps);
    return tower.towerPlan(config, {
      patches: embeddings.at("patch_embeddings.projection"),
      embed(g, patches) {
        const tokens = insertTokens(g, patches, [embeddings.tensor("cls_token", 3)]);
        if (!config.use_absolute_position_embeddings) return tokens;
        return addPositions(g, tokens, embeddings.tensor("position_embeddings", 3), { grid, before: 1 });
      },
      blocks: [...encoderLayers(p, vitLayerPath, names, settings), ...last],
      head,
    });
  },
});

function lastBlock(p: Params, pools: boolean, epsilon: number): { last: readonly BlockPlan[]; head: BlockPlan } {
  if (!pools) return { last: [tower.finalNorm(p.at("layernorm"), epsilon)], head: tower.classTokenFeature };
  // models for other tasks than classification have no pooler, and so no norm behind the layers
  if (!p.has("pooler.layernorm")) return { last: [], head: tower.meanFeature(1) };
  return { last: [tower.pooler(p.at("pooler.layernorm"), 1, epsilon)], head: tower.vectorFeature };
}
