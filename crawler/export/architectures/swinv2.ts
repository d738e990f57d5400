import { z } from "zod";
import { UnsupportedModelError } from "../../errors.ts";
import { architecture } from "../architecture.ts";
import { findBackbone } from "../expect-tensor.ts";
import { attend } from "../operators/attend.ts";
import { add } from "../operators/elementwise.ts";
import { layerNorm } from "../operators/layer-norm.ts";
import { linear } from "../operators/linear.ts";
import { unitHeads } from "../operators/unit-heads.ts";
import { continuousBias } from "../operators/window-bias.ts";
import { windowMask } from "../operators/window-mask.ts";
import { mergeWindows, partitionWindows, type Windowing } from "../operators/windows.ts";
import { perStage } from "../picture-settings.ts";
import {
  reduceFeatures,
  SWIN_EPSILON,
  swinFeedForward,
  swinPlan,
  swinSchema,
  type SwinLayer,
  type SwinVersion,
} from "../swin-tower.ts";

/** Swin V2 (arXiv 2111.09883): norms behind attention and feed-forward, cosine attention, continuous position bias. */

const schema = swinSchema.extend({
  /** Sides of the windows that the position bias was trained with, 0 for those of the model. */
  pretrained_window_sizes: perStage(z.int().min(0).max(1024)).default([0, 0, 0, 0]),
});
type Config = z.output<typeof schema>;

/**
 * The windows of a layer. Unlike Swin's they follow from the size that the model was made for, and from its height
 * alone; pictures of another size are filled up to whole windows.
 */
function windowingOf(
  { image_size: [height], patch_size, window_size }: Config,
  { stage, index }: SwinLayer,
): Windowing {
  const rows = Math.floor(Math.floor(height / patch_size) / 2 ** stage);
  if (rows === 0) throw new UnsupportedModelError(`config.json: an image_size that leaves stage ${stage} no patches`);
  if (rows <= window_size) return { window: rows, shift: 0, shrinks: false };
  return { window: window_size, shift: index % 2 === 0 ? 0 : Math.floor(window_size / 2), shrinks: false };
}

const version = (config: Config): SwinVersion => ({
  layer(g, x, p, at) {
    const { qkv_bias: bias, layer_norm_eps: epsilon, pretrained_window_sizes: trained } = config;
    const windowing = windowingOf(config, at);
    const windows = partitionWindows(g, x, windowing);
    const self = p.at("attention.self");
    const query = unitHeads(g, linear(g, windows, self.at("query"), { bias }), at.heads, self.tensor("logit_scale", 3));
    const key = unitHeads(g, linear(g, windows, self.at("key"), { bias: false }), at.heads);
    const seen = attend(g, [query, key, linear(g, windows, self.at("value"), { bias })], {
      heads: at.heads,
      scale: 1,
      bias: continuousBias(g, windows, self.at("continuous_position_bias_mlp"), windowing.window, trained[at.stage]),
      ...(windowing.shift > 0 && { mask: windowMask(g, windows, windowing) }),
    });
    const merged = mergeWindows(g, linear(g, seen, p.at("attention.output.dense")), windowing);
    const y = add(g, x, layerNorm(g, merged, p.at("layernorm_before"), epsilon));
    return add(g, y, layerNorm(g, swinFeedForward(g, y, p, config), p.at("layernorm_after"), epsilon));
  },
  reduce: (g, x, p) => layerNorm(g, reduceFeatures(g, x, p), p.at("norm"), SWIN_EPSILON),
});

export const swinV2 = architecture({
  name: "swinv2",
  modelTypes: ["swinv2"],
  config: schema,
  plan: (root, config) => swinPlan(findBackbone(root, ["swinv2", ""], "embeddings"), config, version(config)),
});
