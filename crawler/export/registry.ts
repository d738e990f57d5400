import { z } from "zod";
import { UnsupportedModelError } from "../errors.ts";
import type { Architecture } from "./architecture.ts";
import { beit } from "./architectures/beit.ts";
import { bert } from "./architectures/bert.ts";
import { blip } from "./architectures/blip.ts";
import { clip } from "./architectures/clip.ts";
import { convNext } from "./architectures/convnext.ts";
import { deit } from "./architectures/deit.ts";
import { detr } from "./architectures/detr.ts";
import { dinov2 } from "./architectures/dinov2.ts";
import { dinov2WithRegisters } from "./architectures/dinov2-with-registers.ts";
import { distilBert } from "./architectures/distilbert.ts";
import { efficientNet } from "./architectures/efficientnet.ts";
import { git } from "./architectures/git.ts";
import { mobileNetV2 } from "./architectures/mobilenet-v2.ts";
import { resnet } from "./architectures/resnet.ts";
import { roberta } from "./architectures/roberta.ts";
import { segformer } from "./architectures/segformer.ts";
import { siglip } from "./architectures/siglip.ts";
import { swin } from "./architectures/swin.ts";
import { swinV2 } from "./architectures/swinv2.ts";
import { timmEfficientNet } from "./architectures/timm-efficientnet.ts";
import { timmResNet } from "./architectures/timm-resnet.ts";
import { timmViT } from "./architectures/timm-vit.ts";
import { visionEncoderDecoder } from "./architectures/vision-encoder-decoder.ts";
import { vit } from "./architectures/vit.ts";
import { yolos } from "./architectures/yolos.ts";

/** Every architecture that can be exported: one file each, one line here. */
export const architectures: readonly Architecture[] = [
  beit,
  bert,
  blip,
  clip,
  convNext,
  deit,
  detr,
  dinov2,
  dinov2WithRegisters,
  distilBert,
  efficientNet,
  git,
  mobileNetV2,
  resnet,
  roberta,
  segformer,
  siglip,
  swin,
  swinV2,
  timmEfficientNet,
  timmResNet,
  timmViT,
  visionEncoderDecoder((config) => getArchitecture(config)),
  vit,
  yolos,
];

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
