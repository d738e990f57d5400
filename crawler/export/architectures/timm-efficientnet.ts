import { UnsupportedModelError } from "../../errors.ts";
import { architecture, block, range } from "../architecture.ts";
import { dilateStrides, type Step } from "../dilate-strides.ts";
import { activate } from "../operators/activation.ts";
import { batchNorm } from "../operators/batch-norm.ts";
import { convSame, groupedConv } from "../operators/conv-same.ts";
import { add } from "../operators/elementwise.ts";
import { globalAveragePool } from "../operators/pool.ts";
import { squeezeExcite } from "../operators/squeeze-excite.ts";
import type { Ops, Value } from "../ops.ts";
import type { Params } from "../params.ts";
import { styleOf, timmEfficientNetSchema, type EfficientNetStyle } from "./timm-efficientnet-variant.ts";

/**
 * timm's EfficientNet (arXiv 1905.11946) and EfficientNetV2 (arXiv 2104.00298). How many units there are, of which
 * kind and how wide, follows from the weights.
 */

/** Of the first unit of each stage: the same in both, whose smaller versions have six stages. */
const STRIDES = [1, 2, 2, 2, 1, 2, 1];
const STILL: Step = { stride: 1, dilation: 1 };

type ConvNorm = readonly [conv: string, norm: string];

interface UnitKind {
  readonly convs: readonly ConvNorm[];
  /** Which of them moves by the unit's step. */
  readonly moving: number;
  /** Whether an activation follows the last. */
  readonly activateLast?: boolean;
}

/** By a module that only this kind has, those that have more modules first. */
const KINDS: readonly (readonly [mark: string, kind: UnitKind])[] = [
  ["conv", { convs: [["conv", "bn1"]], moving: 0, activateLast: true }],
  [
    "conv_exp",
    {
      convs: [
        ["conv_exp", "bn1"],
        ["conv_pwl", "bn2"],
      ],
      moving: 0,
    },
  ],
  [
    "conv_pwl",
    {
      convs: [
        ["conv_pw", "bn1"],
        ["conv_dw", "bn2"],
        ["conv_pwl", "bn3"],
      ],
      moving: 1,
    },
  ],
  [
    "conv_dw",
    {
      convs: [
        ["conv_dw", "bn1"],
        ["conv_pw", "bn2"],
      ],
      moving: 0,
    },
  ],
];

function convNorm(g: Ops, x: Value<4>, p: Params, [conv, norm]: ConvNorm, style: EfficientNetStyle, step = STILL) {
  const convolve = style.samePadding ? convSame : groupedConv;
  return batchNorm(g, convolve(g, x, p.at(conv), step), p.at(norm), style.epsilon);
}

function unit(g: Ops, x: Value<4>, p: Params, style: EfficientNetStyle, step: Step): Value<4> {
  const [, kind] = KINDS.find(([mark]) => p.has(mark)) ?? [];
  if (!kind) throw new UnsupportedModelError("a unit of an EfficientNet is of no known kind");
  let y = x;
  kind.convs.forEach((names, index) => {
    const isLast = index === kind.convs.length - 1;
    if (isLast && p.has("se")) {
      y = squeezeExcite(g, y, [p.at("se.conv_reduce"), p.at("se.conv_expand")], style.activation);
    }
    y = convNorm(g, y, p, names, style, index === kind.moving ? step : STILL);
    if (!isLast || kind.activateLast) y = activate(g, y, style.activation);
  });
  return step.stride === 1 && y.info.dims[0] === x.info.dims[0] ? add(g, y, x) : y;
}

export const timmEfficientNet = architecture({
  name: "efficientnet",
  modelTypes: ["timm:efficientnet*", "timm:tf_efficientnet*"],
  config: timmEfficientNetSchema,
  plan(p, config) {
    const style = styleOf(config);
    const stages = p.count((stage) => `blocks.${stage}`);
    if (stages > STRIDES.length) throw new UnsupportedModelError(`an EfficientNet of ${stages} stages`);
    const units = range(stages).flatMap((stage) =>
      range(p.count((index) => `blocks.${stage}.${index}`)).map((index) => ({
        path: `blocks.${stage}.${index}`,
        stride: index === 0 ? (STRIDES[stage] ?? 1) : 1,
      })),
    );
    const { in_chans, output_stride } = config.model_args;
    const steps = dilateStrides(
      units.map(({ stride }) => stride),
      output_stride,
      2,
    );
    const [channels, height, width] = config.pretrained_cfg.input_size;
    const convAct = (g: Ops, x: Value<4>, names: ConvNorm, step = STILL) =>
      activate(g, convNorm(g, x, p, names, style, step), style.activation);
    return {
      input: { kind: "image", channels: in_chans ?? channels, height, width },
      blocks: [
        block("stem", 4, (g, x) => convAct(g, x, ["conv_stem", "bn1"], { stride: 2, dilation: 1 })),
        ...units.map(({ path }, index) =>
          block(path, 4, (g, x) => unit(g, x, p.at(path), style, steps[index] ?? STILL)),
        ),
        block("conv-head", 4, (g, x) => convAct(g, x, ["conv_head", "bn2"])),
      ],
      head: block("feature", 4, (g, x) => globalAveragePool(g, x)),
    };
  },
});
