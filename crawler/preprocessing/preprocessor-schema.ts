import { z } from "zod";
import { PreprocessingError } from "./errors.ts";

/** Larger inputs exist nowhere in the models that are read, and 4096 x 4096 pixels are 50 MB an item. */
export const MAX_EDGE = 4096;
/** Longest edges of detection processors go beyond what is used of them; they are only checked to be sane. */
const MAX_LONGEST_EDGE = 100_000;

const edge = z.int().min(1).max(MAX_EDGE);

/** `size` and `crop_size`: a number, a list, or one of transformers' dictionaries. */
const size = z.union([
  edge.transform((number) => ({ number })),
  z.tuple([edge]).transform(([number]) => ({ number })),
  z.tuple([edge, edge]).transform(([first, second]) => ({ pair: [first, second] as const })),
  z.object({ height: edge, width: edge }),
  z.object({ shortest_edge: edge, longest_edge: z.int().min(1).max(MAX_LONGEST_EDGE).nullish() }),
  z.object({ longest_edge: edge }),
  z.object({ max_height: edge, max_width: edge }),
]);

export type SizeSetting = z.infer<typeof size>;

/** One number for all channels or one for each. */
const perChannel = (number: z.ZodNumber) =>
  z.union([
    number.transform((all) => [all, all, all] as const),
    z.tuple([number]).transform(([all]) => [all, all, all] as const),
    z.tuple([number, number, number]).readonly(),
  ]);

/** Means and deviations are in units of the rescaled picture, mostly 0 to 1, with 0 to 255 where it is not rescaled. */
const mean = perChannel(z.number().min(-1000).max(1000));
const deviation = perChannel(z.number().min(1e-6).max(1000));

const flag = z.boolean().nullish();

/** The keys of transformers' preprocessor_config.json that say something about pixels. Others are ignored. */
export const transformersSchema = z.object({
  image_processor_type: z.string().max(200).nullish(),
  feature_extractor_type: z.string().max(200).nullish(),
  do_resize: flag,
  do_center_crop: flag,
  do_rescale: flag,
  do_normalize: flag,
  do_thumbnail: flag,
  do_align_long_axis: flag,
  do_pad: flag,
  size: size.nullish(),
  crop_size: size.nullish(),
  crop_pct: z.number().min(0.1).max(2).nullish(),
  resample: z.int().min(0).max(5).nullish(),
  rescale_factor: z.number().min(1e-9).max(1).nullish(),
  rescale_offset: flag,
  include_top: flag,
  image_mean: mean.nullish(),
  image_std: deviation.nullish(),
});

export type TransformersSettings = z.infer<typeof transformersSchema>;

/** timm's pretrained_cfg. */
export const timmSchema = z.object({
  input_size: z.tuple([z.int(), edge, edge]).nullish(),
  crop_pct: z.number().min(0.1).max(2).nullish(),
  crop_mode: z.enum(["center", "squash", "border"]).nullish(),
  interpolation: z.enum(["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"]).nullish(),
  mean: mean.nullish(),
  std: deviation.nullish(),
});

/** Parses one of the schemas above; the error names the first key that is wrong. */
export function parseSettings<T>(schema: z.ZodType<T>, json: unknown, where: string): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const key = issue?.path.length ? issue.path.map(String).join(".") : "the document";
  throw new PreprocessingError(
    `${where}: ${key.slice(0, 100)} is not as expected (${issue?.message ?? "unknown reason"}); --image-size N does without`,
  );
}
