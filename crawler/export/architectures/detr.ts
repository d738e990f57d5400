import { z } from "zod";
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { architecture } from "../architecture.ts";
import type { Params } from "../params.ts";
import { resnetConfigSchema, resnetOptionsOf, resnetPlan } from "./resnet.ts";
import { timmResNetDepths } from "./timm-resnet.ts";

/**
 * Detection transformers (DETR, arXiv 2005.12872, and its kin): the backbone is their ResNet, with frozen batch norm.
 * It is timm's, named by `backbone`, or transformers' own, described by `backbone_config`.
 */
const ENCODER = "backbone.conv_encoder.model";
/** Where the detection model stands in the names: bare, below a task head, below DetrForSegmentation. */
const PREFIXES = ["model", "detr.model", ""].map((prefix) => (prefix === "" ? ENCODER : `${prefix}.${ENCODER}`));

function backboneOf(root: Params): Params {
  const prefix = PREFIXES.find((path) => root.has(path));
  if (prefix === undefined) throw new CheckpointError(`checkpoint has no tensors below "${PREFIXES[0]}"`);
  return root.at(prefix);
}

export const detr = architecture({
  name: "detr",
  modelTypes: ["detr", "conditional_detr", "deformable_detr", "table-transformer"],
  config: z.object({
    backbone: z.string().max(100).optional(),
    backbone_config: resnetConfigSchema.extend({ model_type: z.string().max(100).optional() }).optional(),
    use_timm_backbone: z.boolean().default(true),
    dilation: z.boolean().default(false),
  }),
  plan(root, config) {
    const p = backboneOf(root);
    if (!config.use_timm_backbone && config.backbone_config) {
      const type = config.backbone_config.model_type ?? "resnet";
      if (type !== "resnet") throw new UnsupportedModelError(`backbone of model_type "${type}" has no exporter`);
      return resnetPlan(p, resnetOptionsOf(config.backbone_config));
    }
    const depths = timmResNetDepths(config.backbone ?? "resnet50");
    return resnetPlan(p, { depths, dilateLastStage: config.dilation });
  },
});
