import { z } from "zod";
import { UnsupportedModelError } from "../../errors.ts";
import { activationSchema, epsilonSchema, sideSchema, smallNumberSchema } from "../picture-settings.ts";

/** Builds that differ in nothing but what the weights show and `styleOf` tells (timm/models/efficientnet.py). */
const NAMES = /^(tf_)?efficientnet(v2_(s|m|l|xl|b[0-3]|rw_[tsm])|_(b[0-8]|l2|lite[0-4]))$/;

/** What a repository of timm's says of an EfficientNet; `model_args` are what its maker gave to the builder. */
export const timmEfficientNetSchema = z.object({
  architecture: z.string().max(100),
  pretrained_cfg: z
    .object({ input_size: z.tuple([smallNumberSchema, sideSchema, sideSchema]).default([3, 224, 224]) })
    .prefault({}),
  model_args: z
    .object({
      in_chans: smallNumberSchema.optional(),
      output_stride: z.int().min(2).max(32).default(32),
      pad_type: z.literal(["", "same"], 'only the padding types "" and "same" are supported').optional(),
      bn_eps: epsilonSchema.optional(),
      act_layer: activationSchema.optional(),
      norm_layer: z.undefined("only batch norm is supported").optional(),
      se_layer: z.undefined("only squeeze and excitation is supported").optional(),
      aa_layer: z.undefined("anti-aliasing is not supported").optional(),
    })
    .prefault({}),
});

/** What is the same in all units of a network. */
export interface EfficientNetStyle {
  readonly samePadding: boolean;
  readonly epsilon: number;
  readonly activation: string;
}

/** @throws UnsupportedModelError for a network that is built in another way */
export function styleOf(config: z.output<typeof timmEfficientNetSchema>): EfficientNetStyle {
  const { architecture: name, model_args: args } = config;
  if (!NAMES.test(name)) throw new UnsupportedModelError(`timm's "${name}", an EfficientNet of another build`);
  // weights that came from TensorFlow keep its padding and epsilon
  const tensorFlow = name.startsWith("tf_");
  return {
    samePadding: (args.pad_type ?? (tensorFlow ? "same" : "")) === "same",
    epsilon: args.bn_eps ?? (tensorFlow ? 1e-3 : 1e-5),
    activation: args.act_layer ?? (name.includes("_lite") ? "relu6" : "silu"),
  };
}
