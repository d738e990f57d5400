import { z } from "zod";
import { UnsupportedModelError } from "../../errors.ts";
import { architecture, block, range } from "../architecture.ts";
import { expectAbsent } from "../expect-absent.ts";
import { expectLayers } from "../expect-layers.ts";
import { expectTensor, findBackbone } from "../expect-tensor.ts";
import { activate } from "../operators/activation.ts";
import { batchNorm } from "../operators/batch-norm.ts";
import { convSame, groupedConv } from "../operators/conv-same.ts";
import { add } from "../operators/elementwise.ts";
import { zeroPad } from "../operators/pad.ts";
import { globalAveragePool } from "../operators/pool.ts";
import { squeezeExcite } from "../operators/squeeze-excite.ts";
import type { Ops, Value } from "../ops.ts";
import type { Params } from "../params.ts";
import {
  epsilonSchema,
  layerCountsSchema,
  perStage,
  pictureInput,
  pictureSchema,
  stageNumbersSchema,
} from "../picture-settings.ts";

/** EfficientNet (arXiv 1905.11946) as transformers has it: Keras' zeros before strides, whatever the input's size. */

const config = pictureSchema({ image: 600, activation: "swish" }).extend({
  depth_coefficient: z.number().gt(0).max(100).default(3.1),
  /** Numbers of the blocks that are padded evenly: their input has an odd size at the size that Keras was made for. */
  depthwise_padding: z.array(z.int().min(0).max(10_000)).max(1000).default([]),
  strides: perStage(z.literal([1, 2], "only strides of 1 and 2 are supported")).default([1, 2, 2, 2, 1, 2, 1]),
  kernel_sizes: stageNumbersSchema.default([3, 3, 5, 3, 5, 5, 3]),
  num_block_repeats: layerCountsSchema.default([1, 2, 2, 3, 3, 4, 1]),
  expand_ratios: perStage(z.number().gt(0).max(1000)).default([1, 6, 6, 6, 6, 6, 6]),
  batch_norm_eps: epsilonSchema.default(1e-3),
});
type Config = z.output<typeof config>;

interface Unit {
  readonly stride: 1 | 2;
  readonly kernel: number;
  readonly expands: boolean;
  readonly evenPadding: boolean;
  /** Every unit of a stage but its first adds its input. */
  readonly residual: boolean;
}

/** One entry a block, stage by stage. */
function unitsOf(config: Config): Unit[] {
  const { strides, kernel_sizes: kernels, expand_ratios: ratios, num_block_repeats: repeats } = config;
  if ([strides, kernels, ratios].some((list) => list.length !== repeats.length)) {
    throw new UnsupportedModelError(`config.json: its lists are not all of ${repeats.length} stages`);
  }
  const stages = repeats.flatMap((repeat, stage) =>
    range(Math.ceil(config.depth_coefficient * repeat)).map((unit) => ({ stage, unit })),
  );
  return stages.map(({ stage, unit }, index) => ({
    stride: unit === 0 ? (strides[stage] ?? 1) : 1,
    kernel: kernels[stage] ?? 0,
    expands: ratios[stage] !== 1,
    evenPadding: config.depthwise_padding.includes(index),
    residual: unit > 0,
  }));
}

function paddedConv(g: Ops, x: Value<4>, p: Params, even: boolean): Value<4> {
  const half = Math.floor((p.tensor("weight", 4).shape[2] ?? 1) / 2);
  const before = even ? half : half - 1;
  const padded = zeroPad(g, x, { top: before, left: before, bottom: half, right: half });
  return groupedConv(g, padded, p, { stride: 2, padding: 0 });
}

const normAct = (g: Ops, x: Value<4>, p: Params, { batch_norm_eps, hidden_act }: Config): Value<4> =>
  activate(g, batchNorm(g, x, p, batch_norm_eps), hidden_act);

function mobileUnit(g: Ops, x: Value<4>, p: Params, unit: Unit, config: Config): Value<4> {
  const [expansion, depthwise, projection] = [p.at("expansion"), p.at("depthwise_conv"), p.at("projection")];
  if (!unit.expands) expectAbsent(p, "expansion", "an expand_ratio of 1");
  const wide = unit.expands
    ? normAct(g, convSame(g, x, expansion.at("expand_conv")), expansion.at("expand_bn"), config)
    : x;
  const kernel = depthwise.at("depthwise_conv");
  expectTensor(kernel, "weight", [wide.info.dims[0] ?? 0, 1, unit.kernel, unit.kernel]);
  const moved = unit.stride === 2 ? paddedConv(g, wide, kernel, unit.evenPadding) : convSame(g, wide, kernel);
  const gates = [p.at("squeeze_excite.reduce"), p.at("squeeze_excite.expand")] as const;
  const gated = squeezeExcite(g, normAct(g, moved, depthwise.at("depthwise_norm"), config), gates, config.hidden_act);
  const narrow = convSame(g, gated, projection.at("project_conv"));
  const y = batchNorm(g, narrow, projection.at("project_bn"), config.batch_norm_eps);
  return unit.residual ? add(g, y, x) : y;
}

export const efficientNet = architecture({
  name: "efficientnet",
  modelTypes: ["efficientnet"],
  config,
  plan(root, config) {
    const p = findBackbone(root, ["efficientnet", ""], "embeddings");
    const units = unitsOf(config);
    const unitPath = (index: number) => `encoder.blocks.${index}`;
    expectLayers(p, unitPath, units.length);
    const stem = p.at("embeddings");
    return {
      input: pictureInput(config),
      blocks: [
        block("stem", 4, (g, x) =>
          normAct(g, paddedConv(g, x, stem.at("convolution"), false), stem.at("batchnorm"), config),
        ),
        ...units.map((unit, index) =>
          block(`block${index}`, 4, (g, x) => mobileUnit(g, x, p.at(unitPath(index)), unit, config)),
        ),
        block("top-conv", 4, (g, x) =>
          normAct(g, convSame(g, x, p.at("encoder.top_conv")), p.at("encoder.top_bn"), config),
        ),
      ],
      head: block("feature", 4, (g, x) => globalAveragePool(g, x)),
    };
  },
});
