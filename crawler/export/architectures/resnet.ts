import { z } from "zod";
import { architecture, block, range, type BackbonePlan } from "../architecture.ts";
import { batchNorm } from "../operators/batch-norm.ts";
import { conv } from "../operators/conv.ts";
import { add, relu } from "../operators/elementwise.ts";
import { globalAveragePool, maxPool } from "../operators/pool.ts";
import type { Ops, Value } from "../ops.ts";
import type { Params } from "../params.ts";

/** ResNet v1.5 (arXiv 1512.03385, the 3x3 convolution strides): a stem, then one block per residual unit. */

type ConvNorm = readonly [conv: string, norm: string];

interface Spelling {
  readonly stem: ConvNorm;
  unit(stage: number, unit: number): string;
  branch(index: number): ConvNorm;
  readonly shortcut: ConvNorm;
}

/** transformers' ResNetModel, below its prefix */
const transformers: Spelling = {
  stem: ["embedder.embedder.convolution", "embedder.embedder.normalization"],
  unit: (stage, unit) => `encoder.stages.${stage}.layers.${unit}`,
  branch: (index) => [`layer.${index}.convolution`, `layer.${index}.normalization`],
  shortcut: ["shortcut.convolution", "shortcut.normalization"],
};

/** timm's and torchvision's */
const timm: Spelling = {
  stem: ["conv1", "bn1"],
  unit: (stage, unit) => `layer${stage + 1}.${unit}`,
  branch: (index) => [`conv${index + 1}`, `bn${index + 1}`],
  shortcut: ["downsample.0", "downsample.1"],
};

export interface ResNetOptions {
  /** Residual units of each stage. */
  readonly depths: readonly number[];
  /** The last stage keeps its size and dilates instead (DETR's DC5). */
  readonly dilateLastStage?: boolean;
  /** transformers' `downsample_in_first_stage`. */
  readonly downsampleInFirstStage?: boolean;
  /** transformers' `downsample_in_bottleneck`: the first 1x1 convolution of a bottleneck strides (ResNet v1). */
  readonly downsampleInBottleneck?: boolean;
}

const convNorm = (g: Ops, x: Value<4>, p: Params, [convName, norm]: ConvNorm, stride = 1, dilation = 1): Value<4> =>
  batchNorm(g, conv(g, x, p.at(convName), { stride, dilation }), p.at(norm));

interface UnitOptions {
  readonly stride: number;
  readonly dilation: number;
  readonly strideFirst: boolean;
}

function residualUnit(g: Ops, x: Value<4>, p: Params, names: Spelling, options: UnitOptions): Value<4> {
  const depth = p.has(names.branch(2)[0]) ? 3 : 2; // bottleneck or basic
  const strided = depth === 3 && !options.strideFirst ? 1 : 0;
  let y = x;
  for (const index of range(depth)) {
    const kernel = p.tensor(`${names.branch(index)[0]}.weight`, 4).shape[2];
    const dilation = kernel === 3 ? options.dilation : 1;
    y = convNorm(g, y, p, names.branch(index), index === strided ? options.stride : 1, dilation);
    if (index < depth - 1) y = relu(g, y);
  }
  const shortcut = p.has(names.shortcut[0]) ? convNorm(g, x, p, names.shortcut, options.stride) : x;
  return relu(g, add(g, y, shortcut));
}

/** @param p the backbone's own names: `conv1` (timm) or `embedder` (transformers) stand directly below it */
export function resnetPlan(p: Params, { depths, ...options }: ResNetOptions): BackbonePlan {
  const names = p.has(transformers.stem[0]) ? transformers : timm;
  const isDilated = (stage: number): boolean => options.dilateLastStage === true && stage === depths.length - 1;
  const strideOf = (stage: number, unit: number): number => {
    if (unit > 0 || isDilated(stage)) return 1;
    return stage === 0 && !options.downsampleInFirstStage ? 1 : 2;
  };
  return {
    input: { kind: "image", channels: 3, height: 224, width: 224 },
    blocks: [
      block("stem", 4, (g, x) => maxPool(g, relu(g, convNorm(g, x, p, names.stem, 2)), 3, 2, 1)),
      ...depths.flatMap((units, stage) =>
        range(units).map((unit) =>
          block(`layer${stage + 1}.${unit}`, 4, (g, x) =>
            residualUnit(g, x, p.at(names.unit(stage, unit)), names, {
              stride: strideOf(stage, unit),
              // the first unit of a dilated stage keeps the dilation of the stage before it (timm's `first_dilation`)
              dilation: isDilated(stage) && unit > 0 ? 2 : 1,
              strideFirst: options.downsampleInBottleneck ?? false,
            }),
          ),
        ),
      ),
    ],
    head: block("feature", 4, (g, x) => globalAveragePool(g, x)),
  };
}

/** The widest real ResNets have 4 stages and 36 units in one; room for ten times that. */
export const depthsSchema = z.array(z.int().min(1).max(400)).min(1).max(16);

/** What transformers' ResNetConfig says beyond the shapes, with its defaults. */
export const resnetConfigSchema = z.object({
  depths: depthsSchema.default([3, 4, 6, 3]),
  hidden_act: z.literal("relu", 'only the activation "relu" is supported').default("relu"),
  downsample_in_first_stage: z.boolean().default(false),
  downsample_in_bottleneck: z.boolean().default(false),
});

export const resnetOptionsOf = (config: z.output<typeof resnetConfigSchema>): ResNetOptions => ({
  depths: config.depths,
  downsampleInFirstStage: config.downsample_in_first_stage,
  downsampleInBottleneck: config.downsample_in_bottleneck,
});

export const resnet = architecture({
  name: "resnet",
  modelTypes: ["resnet"],
  config: resnetConfigSchema,
  plan: (root, config) => resnetPlan(root.has("resnet") ? root.at("resnet") : root, resnetOptionsOf(config)),
});
