import { z } from "zod";
import { architecture, block } from "../architecture.ts";
import { dilateStrides, type Step } from "../dilate-strides.ts";
import { expectAbsent } from "../expect-absent.ts";
import { expectLayers } from "../expect-layers.ts";
import { expectTensor, findBackbone } from "../expect-tensor.ts";
import { activate } from "../operators/activation.ts";
import { batchNorm } from "../operators/batch-norm.ts";
import { convSame, groupedConv } from "../operators/conv-same.ts";
import { add } from "../operators/elementwise.ts";
import { globalAveragePool } from "../operators/pool.ts";
import type { Ops, Value } from "../ops.ts";
import type { Params } from "../params.ts";
import { epsilonSchema, pictureInput, pictureSchema } from "../picture-settings.ts";

/** MobileNetV2 (arXiv 1801.04381): inverted residuals with linear bottlenecks; widths follow from the weights. */

/** Of the depthwise convolutions of the 16 layers behind the stem, whatever the width (table 2 of the paper). */
const STRIDES = [2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1];

const config = pictureSchema({ image: 224, activation: "relu6" }).extend({
  output_stride: z.int().min(2).max(1024).default(32),
  first_layer_is_expansion: z.boolean().default(true),
  tf_padding: z.boolean().default(true),
  layer_norm_eps: epsilonSchema.default(1e-3),
});
type Config = z.output<typeof config>;

function convNorm(g: Ops, x: Value<4>, p: Params, { tf_padding, layer_norm_eps }: Config, step?: Step): Value<4> {
  const convolve = tf_padding ? convSame : groupedConv;
  return batchNorm(g, convolve(g, x, p.at("convolution"), step), p.at("normalization"), layer_norm_eps);
}

const convNormAct = (g: Ops, x: Value<4>, p: Params, config: Config, step?: Step): Value<4> =>
  activate(g, convNorm(g, x, p, config, step), config.hidden_act);

function depthwise(g: Ops, x: Value<4>, p: Params, config: Config, step?: Step): Value<4> {
  expectTensor(p, "conv_3x3.convolution.weight", [x.info.dims[0] ?? 0, 1, 3, 3]);
  return convNormAct(g, x, p.at("conv_3x3"), config, step);
}

function stem(g: Ops, x: Value<4>, p: Params, config: Config): Value<4> {
  const first = convNormAct(g, x, p.at("first_conv"), config, { stride: 2, dilation: 1 });
  if (config.first_layer_is_expansion) expectAbsent(p, "expand_1x1", "first_layer_is_expansion");
  const wide = config.first_layer_is_expansion ? first : convNormAct(g, first, p.at("expand_1x1"), config);
  return convNorm(g, depthwise(g, wide, p, config), p.at("reduce_1x1"), config);
}

function invertedResidual(g: Ops, x: Value<4>, p: Params, config: Config, step: Step): Value<4> {
  const wide = convNormAct(g, x, p.at("expand_1x1"), config);
  const y = convNorm(g, depthwise(g, wide, p, config, step), p.at("reduce_1x1"), config);
  return step.stride === 1 && y.info.dims[0] === x.info.dims[0] ? add(g, x, y) : y;
}

export const mobileNetV2 = architecture({
  name: "mobilenet_v2",
  modelTypes: ["mobilenet_v2"],
  config,
  plan(root, config) {
    const p = findBackbone(root, ["mobilenet_v2", ""], "conv_stem");
    const layer = (index: number) => `layer.${index}`;
    expectLayers(p, layer, STRIDES.length);
    return {
      input: pictureInput(config),
      blocks: [
        block("stem", 4, (g, x) => stem(g, x, p.at("conv_stem"), config)),
        ...dilateStrides(STRIDES, config.output_stride, 2).map((step, index) =>
          block(`layer${index}`, 4, (g, x) => invertedResidual(g, x, p.at(layer(index)), config, step)),
        ),
        block("last-conv", 4, (g, x) => convNormAct(g, x, p.at("conv_1x1"), config)),
      ],
      head: block("feature", 4, (g, x) => globalAveragePool(g, x)),
    };
  },
});
