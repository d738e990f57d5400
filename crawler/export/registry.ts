import { z } from "zod";
import { UnsupportedModelError } from "../errors.ts";
import type { Architecture } from "./architecture.ts";
import { detr } from "./architectures/detr.ts";
import { resnet } from "./architectures/resnet.ts";
import { timmResNet } from "./architectures/timm-resnet.ts";

/** Every architecture that can be exported: one file each, one line here. */
export const architectures: readonly Architecture[] = [detr, resnet, timmResNet];

const typeSchema = z.object({
  model_type: z.string().max(200).optional(),
  architecture: z.string().max(200).optional(),
  quantization_config: z.object({ quant_method: z.string().max(100).optional() }).nullish(),
});

/** The model type that config.json names: transformers' `model_type`, or `timm:NAME` for timm's configurations. */
export function modelTypeOf(config: unknown): string | null {
  const parsed = typeSchema.safeParse(config);
  if (!parsed.success) return null;
  const { model_type, architecture } = parsed.data;
  return model_type ?? (architecture === undefined ? null : `timm:${architecture}`);
}

/** @throws UnsupportedModelError with the reason, when no exporter takes the model */
export function getArchitecture(config: unknown): Architecture {
  const type = modelTypeOf(config);
  if (type === null) throw new UnsupportedModelError("config.json names no model_type");
  const quantisation = typeSchema.safeParse(config).data?.quantization_config;
  if (quantisation) throw new UnsupportedModelError(`quantised weights (${quantisation.quant_method ?? "unknown"})`);
  const takes = (pattern: string) => (pattern.endsWith("*") ? type.startsWith(pattern.slice(0, -1)) : type === pattern);
  const found = architectures.find((candidate) => candidate.modelTypes.some(takes));
  if (!found) throw new UnsupportedModelError(`model_type "${type}" has no exporter`);
  return found;
}
