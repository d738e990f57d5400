import { z } from "zod";
import { UnsupportedModelError } from "../../errors.ts";
import { architecture, block, range } from "../architecture.ts";
import { expectAbsent } from "../expect-absent.ts";
import { expectLayers } from "../expect-layers.ts";
import { expectTensor, findBackbone } from "../expect-tensor.ts";
import { activate } from "../operators/activation.ts";
import { groupedConv } from "../operators/conv-same.ts";
import { conv } from "../operators/conv.ts";
import { add } from "../operators/elementwise.ts";
import { layerNorm } from "../operators/layer-norm.ts";
import { linear } from "../operators/linear.ts";
import { globalAveragePool } from "../operators/pool.ts";
import { responseNorm } from "../operators/response-norm.ts";
import { scale } from "../operators/scale.ts";
import { flattenMap, unflattenMap } from "../operators/tokens.ts";
import type { Ops, Value } from "../ops.ts";
import type { Params } from "../params.ts";
import {
  epsilonSchema,
  layerCountsSchema,
  patchSideSchema,
  pictureInput,
  pictureSchema,
  stageWidthsSchema,
} from "../picture-settings.ts";
import { vectorFeature } from "../vision-tower.ts";

/** ConvNeXt (arXiv 2201.03545) and ConvNeXt V2 (arXiv 2301.00808), which has no layer scale but response norms. */

/** Of all norms but the last, whatever the configuration says. */
const EPSILON = 1e-6;

const config = pictureSchema({ image: 224, activation: "gelu" }).extend({
  model_type: z.literal(["convnext", "convnextv2"]),
  patch_size: patchSideSchema.default(4),
  num_stages: z.int().min(1).max(16).default(4),
  depths: layerCountsSchema.default([3, 3, 9, 3]),
  hidden_sizes: stageWidthsSchema.default([96, 192, 384, 768]),
  layer_norm_eps: epsilonSchema.default(1e-12),
  layer_scale_init_value: z.number().default(1e-6),
});
type Config = z.output<typeof config>;

/** Layer norm of each pixel's channels. */
const pixelNorm = (g: Ops, x: Value<4>, p: Params): Value<4> =>
  unflattenMap(g, layerNorm(g, flattenMap(g, x), p, EPSILON));

function layer(g: Ops, x: Value<4>, p: Params, config: Config): Value<4> {
  const pixels = layerNorm(g, flattenMap(g, groupedConv(g, x, p.at("dwconv"))), p.at("layernorm"), EPSILON);
  const wide = activate(g, linear(g, pixels, p.at("pwconv1")), config.hidden_act);
  const isV2 = config.model_type === "convnextv2";
  const y = linear(g, isV2 ? responseNorm(g, wide, p.at("grn")) : wide, p.at("pwconv2"));
  const isScaled = !isV2 && config.layer_scale_init_value > 0;
  if (!isScaled) expectAbsent(p, "layer_scale_parameter", "there is no layer scale");
  return add(g, x, unflattenMap(g, isScaled ? scale(g, y, p.tensor("layer_scale_parameter", 1)) : y));
}

export const convNext = architecture({
  name: "convnext",
  modelTypes: ["convnext", "convnextv2"],
  config,
  plan(root, config) {
    const p = findBackbone(root, [config.model_type, ""], "embeddings");
    const { num_stages: stages, depths, patch_size: patch } = config;
    if (depths.length < stages) throw new UnsupportedModelError(`config.json: depths of ${stages} stages expected`);
    const stagePath = (stage: number) => `encoder.stages.${stage}`;
    expectLayers(p, stagePath, stages);
    const downsample = (stage: number) =>
      block(`stage${stage}.downsample`, 4, (g, x) => {
        const part = p.at(`${stagePath(stage)}.downsampling_layer`);
        return conv(g, pixelNorm(g, x, part.at("0")), part.at("1"), { stride: 2, padding: 0 });
      });
    return {
      input: pictureInput(config),
      blocks: [
        block("stem", 4, (g, x) => {
          const shape = [config.hidden_sizes[0] ?? 0, config.num_channels, patch, patch];
          expectTensor(p, "embeddings.patch_embeddings.weight", shape);
          const patches = conv(g, x, p.at("embeddings.patch_embeddings"), { stride: patch, padding: 0 });
          return pixelNorm(g, patches, p.at("embeddings.layernorm"));
        }),
        ...range(stages).flatMap((stage) => {
          const layers = expectLayers(p, (i) => `${stagePath(stage)}.layers.${i}`, depths[stage] ?? 0);
          const units = layers.map((i) =>
            block(`stage${stage}.${i}`, 4, (g, x) => layer(g, x, p.at(`${stagePath(stage)}.layers.${i}`), config)),
          );
          return stage === 0 ? units : [downsample(stage), ...units];
        }),
        block("pooled-norm", 4, (g, x) =>
          layerNorm(g, globalAveragePool(g, x), p.at("layernorm"), config.layer_norm_eps),
        ),
      ],
      head: vectorFeature,
    };
  },
});
