import { architecture } from "../architecture.ts";
import { findBackbone } from "../expect-tensor.ts";
import { vitConfigSchema, vitPlan } from "./vit.ts";

/** DeiT (arXiv 2012.12877) as in transformers: a ViT with a distillation token behind the class token. */
export const deit = architecture({
  name: "deit",
  modelTypes: ["deit"],
  config: vitConfigSchema,
  plan: (root, config) =>
    vitPlan(findBackbone(root, ["deit", ""], "embeddings"), config, ["cls_token", "distillation_token"]),
});
