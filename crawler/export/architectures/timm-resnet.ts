import { z } from "zod";
import { UnsupportedModelError } from "../../errors.ts";
import { architecture } from "../architecture.ts";
import { depthsSchema, resnetPlan } from "./resnet.ts";

/** Residual units a stage of timm's plain ResNets (timm/models/resnet.py). */
const DEPTHS: Readonly<Record<string, readonly number[]>> = {
  resnet18: [2, 2, 2, 2],
  resnet34: [3, 4, 6, 3],
  resnet26: [2, 2, 2, 2],
  resnet50: [3, 4, 6, 3],
  resnet101: [3, 4, 23, 3],
  resnet152: [3, 8, 36, 3],
};

/** @throws UnsupportedModelError for a ResNet with another stem or shortcut (resnet50d, resnext, wide variants) */
export function timmResNetDepths(name: string): readonly number[] {
  const depths = Object.hasOwn(DEPTHS, name) ? DEPTHS[name] : undefined;
  if (!depths) {
    throw new UnsupportedModelError(
      `timm backbone "${name}" has no exporter (of timm's ResNets: ${Object.keys(DEPTHS).join(", ")})`,
    );
  }
  return depths;
}

/** timm's own repositories: `architecture` names the network, `model_args` may change its depths. */
export const timmResNet = architecture({
  name: "resnet",
  modelTypes: ["timm:resnet*"],
  config: z.object({
    architecture: z.string().max(100),
    model_args: z.object({ layers: depthsSchema.optional() }).optional(),
  }),
  plan: (root, config) =>
    resnetPlan(root, { depths: config.model_args?.layers ?? timmResNetDepths(config.architecture) }),
});
