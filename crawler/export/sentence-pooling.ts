import { z } from "zod";
import { UnsupportedModelError } from "../errors.ts";
import { blockReading, type BlockPlan } from "./architecture.ts";
import { maxMasked, meanMasked } from "./operators/mask.ts";
import { firstTokenFeature } from "./text-tower.ts";

/** More modules than any sentence-transformers model has. */
const MAX_MODULES = 100;

/** modules.json of sentence-transformers: what an embedding goes through. */
const modulesSchema = z.array(z.object({ type: z.string().max(500), path: z.string().max(500) })).max(MAX_MODULES);

const poolingSchema = z.object({
  pooling_mode: z.string().max(100).optional(),
  pooling_mode_cls_token: z.boolean().default(false),
  pooling_mode_max_tokens: z.boolean().default(false),
  pooling_mode_mean_tokens: z.boolean().default(true),
  pooling_mode_mean_sqrt_len_tokens: z.boolean().default(false),
  pooling_mode_weightedmean_tokens: z.boolean().default(false),
  pooling_mode_lasttoken: z.boolean().default(false),
});

/** Mean over the tokens of a text, padding left out. */
export const maskedMeanFeature: BlockPlan = blockReading("feature", 3, "attention_mask", meanMasked);

const maskedMaxFeature: BlockPlan = blockReading("feature", 3, "attention_mask", maxMasked);

/**
 * Where a sentence-transformers repository describes its pooling.
 * @param modules modules.json, parsed
 * @returns null when its modules have none
 */
export function poolingConfigPath(modules: unknown): string | null {
  const parsed = modulesSchema.safeParse(modules);
  if (!parsed.success) throw new UnsupportedModelError("modules.json is not a list of sentence-transformers' modules");
  const pooling = parsed.data.find(({ type }) => type.split(".").at(-1) === "Pooling");
  return pooling === undefined ? null : pooling.path === "" ? "config.json" : `${pooling.path}/config.json`;
}

/**
 * The feature that sentence-transformers would make of the last block's tokens, before it is normalised.
 * @param config its pooling's config.json, parsed
 * @throws UnsupportedModelError for several poolings at once, and for rare ones
 */
export function poolingFeature(config: unknown): BlockPlan {
  const parsed = poolingSchema.safeParse(config);
  if (!parsed.success) throw new UnsupportedModelError("the pooling's config.json is not as expected");
  const { pooling_mode: named, ...flags } = parsed.data;
  const chosen = Object.entries(flags).flatMap(([mode, isOn]) => (isOn ? [mode.replace(/^pooling_mode_/, "")] : []));
  const mode = named ?? chosen.join(" and ");
  switch (mode) {
    case "cls_token":
    case "cls":
      return firstTokenFeature;
    case "mean_tokens":
    case "mean":
      return maskedMeanFeature;
    case "max_tokens":
    case "max":
      return maskedMaxFeature;
    default:
      throw new UnsupportedModelError(`sentence-transformers' pooling "${mode}" is not supported`);
  }
}
