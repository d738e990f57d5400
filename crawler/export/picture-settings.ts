import { z } from "zod";
import type { ModelInput } from "./graph.ts";
import { MAX_LAYERS } from "./params.ts";

/** Settings that configurations of picture models share, and their limits. */

/** In pixels; four times the largest pictures that models are made for. */
const MAX_SIDE = 1 << 14;
/** Wider than any real model by far. */
const MAX_WIDTH = 1 << 17;

export const sideSchema = z.int().min(1).max(MAX_SIDE);
const sizeSchema = z.tuple([sideSchema, sideSchema], "expected a number, or height and width");
export const widthSchema = z.int().min(1).max(MAX_WIDTH);
/** Kernels, strides, windows, heads. */
export const smallNumberSchema = z.int().min(1).max(1024);
export const epsilonSchema = z.number().gt(0).max(1);
export const activationSchema = z.string().max(100);
/** One value a stage. */
export const perStage = <T extends z.ZodType>(value: T) => z.array(value).min(1).max(16);
export const stageNumbersSchema = perStage(smallNumberSchema);
export const stageWidthsSchema = perStage(widthSchema);
export const layerCountsSchema = perStage(z.int().min(1).max(MAX_LAYERS));

/** Side of a square patch, which some write as two numbers. */
export const patchSideSchema = z
  .union([smallNumberSchema, z.tuple([smallNumberSchema, smallNumberSchema])])
  .refine((size) => typeof size === "number" || size[0] === size[1], "only square patches are supported")
  .transform((size) => (typeof size === "number" ? size : size[0]));

/** @param defaults those of the model's configuration class in transformers */
export const pictureSchema = (defaults: { readonly image: number; readonly activation: string }) =>
  z.object({
    num_channels: smallNumberSchema.default(3),
    image_size: z
      .union([sideSchema, sizeSchema])
      .prefault(defaults.image)
      .transform((size): readonly [height: number, width: number] => (typeof size === "number" ? [size, size] : size)),
    hidden_act: activationSchema.default(defaults.activation),
  });

export const pictureInput = (config: z.output<ReturnType<typeof pictureSchema>>): ModelInput => {
  const [height, width] = config.image_size;
  return { kind: "image", channels: config.num_channels, height, width };
};
