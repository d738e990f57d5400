import { z } from "zod";
import { architecture, block } from "../architecture.ts";
import { encoderLayers } from "../encoder-layer.ts";
import { expectTensor, findBackbone } from "../expect-tensor.ts";
import type { TensorRef } from "../graph.ts";
import { addPositions } from "../operators/position.ts";
import { insertTokens } from "../operators/tokens.ts";
import type { Ops, Value } from "../ops.ts";
import { classTokenFeature, finalNorm, layerSettings, towerPlan, trainedGrid, vitSchema } from "../vision-tower.ts";
import { vitLayerNames, vitLayerPath } from "./vit.ts";

/**
 * YOLOS (arXiv 2106.00666): a ViT with detection tokens behind the patches. Its larger models add position embeddings
 * after each layer too, but the last: a block of its own, so that layers stay comparable.
 */
export const yolos = architecture({
  name: "yolos",
  modelTypes: ["yolos"],
  config: vitSchema({ image: [512, 864], patch: 16, epsilon: 1e-12, activation: "gelu" }).extend({
    qkv_bias: z.boolean().default(true),
    num_detection_tokens: z.int().min(1).max(10_000).default(100),
    use_mid_position_embeddings: z.boolean().default(true),
  }),
  plan(root, config) {
    const p = findBackbone(root, ["vit", ""], "embeddings");
    const embeddings = p.at("embeddings");
    const { num_detection_tokens: detections, hidden_size: width } = config;
    const grid = trainedGrid(config);
    const locate = (g: Ops, x: Value<3>, positions: TensorRef) =>
      addPositions(g, x, positions, { grid, before: 1, after: detections });
    const layers = encoderLayers(p, vitLayerPath, vitLayerNames, layerSettings(config));
    const middles = config.use_mid_position_embeddings ? layers.length - 1 : 0;
    const length = 1 + grid[0] * grid[1] + detections;
    const middle = (index: number) =>
      block(`layer${index}.positions`, 3, (g, x) => {
        const all = expectTensor(p, "encoder.mid_position_embeddings", [middles, 1, length, width]);
        return locate(g, x, { name: all.name, shape: [length, width], offset: index * length * width });
      });
    return towerPlan(config, {
      patches: embeddings.at("patch_embeddings.projection"),
      embed(g, patches) {
        const classified = insertTokens(g, patches, [embeddings.tensor("cls_token", 3)]);
        const detecting = expectTensor(embeddings, "detection_tokens", [1, detections, width]);
        const tokens = insertTokens(g, classified, [detecting], "end");
        return locate(g, tokens, embeddings.tensor("position_embeddings", 3));
      },
      blocks: [
        ...layers.flatMap((layer, index) => (index < middles ? [layer, middle(index)] : [layer])),
        finalNorm(p.at("layernorm"), config.layer_norm_eps),
      ],
      head: classTokenFeature,
    });
  },
});
