import { z } from "zod";
import { UnsupportedModelError } from "../../errors.ts";
import { architecture, block, range } from "../architecture.ts";
import { expectAbsent } from "../expect-absent.ts";
import { expectLayers } from "../expect-layers.ts";
import { expectTensor, findBackbone } from "../expect-tensor.ts";
import { activate } from "../operators/activation.ts";
import { attend } from "../operators/attend.ts";
import { groupedConv } from "../operators/conv-same.ts";
import { conv } from "../operators/conv.ts";
import { add } from "../operators/elementwise.ts";
import { layerNorm } from "../operators/layer-norm.ts";
import { linear } from "../operators/linear.ts";
import { flattenMap, unflattenMap } from "../operators/tokens.ts";
import type { Ops, Value } from "../ops.ts";
import type { Params } from "../params.ts";
import {
  layerCountsSchema,
  pictureInput,
  pictureSchema,
  stageNumbersSchema,
  stageWidthsSchema,
} from "../picture-settings.ts";
import { meanFeature } from "../vision-tower.ts";

/** SegFormer's encoder, the Mix Transformer (arXiv 2105.15203): overlapping patches, attention over fewer keys. */

/** Of every norm: the modules keep PyTorch's default and never ask for the configuration's `layer_norm_eps`. */
const EPSILON = 1e-5;

/** SegFormer's own configuration has no `image_size`; its models are made for any. */
const settings = pictureSchema({ image: 224, activation: "gelu" }).extend({
  num_encoder_blocks: z.int().min(1).max(16).default(4),
  depths: layerCountsSchema.default([2, 2, 2, 2]),
  sr_ratios: stageNumbersSchema.default([8, 4, 2, 1]),
  strides: stageNumbersSchema.default([4, 2, 2, 2]),
  patch_sizes: stageNumbersSchema.default([7, 3, 3, 3]),
  hidden_sizes: stageWidthsSchema.default([32, 64, 160, 256]),
  num_attention_heads: stageNumbersSchema.default([1, 2, 5, 8]),
});

type Stage = ReturnType<typeof stageOf>;

/** The settings of one stage. */
function stageOf(config: z.output<typeof settings>, stage: number) {
  const of = (list: readonly number[]): number => {
    const value = list[stage];
    if (value === undefined) throw new UnsupportedModelError(`config.json: a setting lacks stage ${stage}`);
    return value;
  };
  return {
    layers: of(config.depths),
    reduction: of(config.sr_ratios),
    stride: of(config.strides),
    patch: of(config.patch_sizes),
    width: of(config.hidden_sizes),
    heads: of(config.num_attention_heads),
    activation: config.hidden_act,
  };
}

const norm = (g: Ops, x: Value<3>, p: Params): Value<3> => layerNorm(g, x, p, EPSILON);

function embedPatches(g: Ops, x: Value<4>, p: Params, { stride, patch, width }: Stage): Value<3> {
  expectTensor(p, "proj.weight", [width, x.info.dims[0] ?? 0, patch, patch]);
  const patches = conv(g, x, p.at("proj"), { stride, padding: Math.floor(patch / 2) });
  return norm(g, flattenMap(g, patches), p.at("layer_norm"));
}

/** Squares of tokens become one, for keys and values. */
function reduceSequence(g: Ops, x: Value<3>, p: Params, { reduction, width }: Stage): Value<3> {
  expectTensor(p, "sr.weight", [width, width, reduction, reduction]);
  const reduced = conv(g, unflattenMap(g, x), p.at("sr"), { stride: reduction, padding: 0 });
  return norm(g, flattenMap(g, reduced), p.at("layer_norm"));
}

function attention(g: Ops, x: Value<3>, p: Params, stage: Stage): Value<3> {
  const { reduction, heads } = stage;
  const self = p.at("self");
  const seen = reduction === 1 ? x : reduceSequence(g, x, self, stage);
  if (reduction === 1) expectAbsent(self, "sr", "a sequence reduction of 1");
  const [key, value] = [linear(g, seen, self.at("key")), linear(g, seen, self.at("value"))];
  return linear(g, attend(g, [linear(g, x, self.at("query")), key, value], { heads }), p.at("output.dense"));
}

function layer(g: Ops, x: Value<3>, p: Params, stage: Stage): Value<3> {
  const y = add(g, attention(g, norm(g, x, p.at("layer_norm_1")), p.at("attention"), stage), x);
  const wide = linear(g, norm(g, y, p.at("layer_norm_2")), p.at("mlp.dense1"));
  const mixed = flattenMap(g, groupedConv(g, unflattenMap(g, wide), p.at("mlp.dwconv.dwconv")));
  return add(g, linear(g, activate(g, mixed, stage.activation), p.at("mlp.dense2")), y);
}

export const segformer = architecture({
  name: "segformer",
  modelTypes: ["segformer"],
  config: settings,
  plan(root, config) {
    const p = findBackbone(root, ["segformer", ""], "encoder").at("encoder");
    const stages = range(config.num_encoder_blocks);
    expectLayers(p, (stage) => `patch_embeddings.${stage}`, stages.length);
    return {
      input: pictureInput(config),
      blocks: stages.flatMap((index) => {
        const stage = stageOf(config, index);
        const layerPath = (i: number) => `block.${index}.${i}`;
        const patches = p.at(`patch_embeddings.${index}`);
        return [
          index === 0
            ? block("stage0.patches", 4, (g, x) => embedPatches(g, x, patches, stage))
            : block(`stage${index}.patches`, 3, (g, x) => embedPatches(g, unflattenMap(g, x), patches, stage)),
          ...expectLayers(p, layerPath, stage.layers).map((i) =>
            block(`stage${index}.layer${i}`, 3, (g, x) => layer(g, x, p.at(layerPath(i)), stage)),
          ),
          block(`stage${index}.norm`, 3, (g, x) => norm(g, x, p.at(`layer_norm.${index}`))),
        ];
      }),
      head: meanFeature(),
    };
  },
});
