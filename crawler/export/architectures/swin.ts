import { z } from "zod";
import { architecture } from "../architecture.ts";
import { findBackbone } from "../expect-tensor.ts";
import { attend } from "../operators/attend.ts";
import { add } from "../operators/elementwise.ts";
import { layerNorm } from "../operators/layer-norm.ts";
import { linear } from "../operators/linear.ts";
import { windowBias } from "../operators/window-bias.ts";
import { windowMask } from "../operators/window-mask.ts";
import { mergeWindows, partitionWindows, type Windowing } from "../operators/windows.ts";
import {
  reduceFeatures,
  SWIN_EPSILON,
  swinFeedForward,
  swinPlan,
  swinSchema,
  type SwinConfig,
  type SwinVersion,
} from "../swin-tower.ts";

/** Swin (arXiv 2103.14030): attention within windows, in every other layer shifted ones. Also the encoder of Donut. */

const version = (config: SwinConfig): SwinVersion => ({
  layer(g, x, p, { index, heads }) {
    const { layer_norm_eps: epsilon, window_size: window, qkv_bias: bias } = config;
    const shift = index % 2 === 0 ? 0 : Math.floor(window / 2);
    const windowing: Windowing = { window, shift, shrinks: true };
    const windows = partitionWindows(g, layerNorm(g, x, p.at("layernorm_before"), epsilon), windowing);
    const self = p.at("attention.self");
    const query = linear(g, windows, self.at("query"), { bias });
    const key = linear(g, windows, self.at("key"), { bias });
    const value = linear(g, windows, self.at("value"), { bias });
    const seen = attend(g, [query, key, value], {
      heads,
      bias: windowBias(g, windows, self.tensor("relative_position_bias_table", 2), windowing),
      ...(shift > 0 && { mask: windowMask(g, windows, windowing) }),
    });
    const y = add(g, x, mergeWindows(g, linear(g, seen, p.at("attention.output.dense")), windowing));
    return add(g, y, swinFeedForward(g, layerNorm(g, y, p.at("layernorm_after"), epsilon), p, config));
  },
  reduce: (g, x, p) => reduceFeatures(g, layerNorm(g, x, p.at("norm"), SWIN_EPSILON), p),
});

export const swin = architecture({
  name: "swin",
  modelTypes: ["swin", "donut-swin"],
  config: swinSchema.extend({ model_type: z.literal(["swin", "donut-swin"]) }),
  plan(root, config) {
    const isDonut = config.model_type === "donut-swin";
    const p = findBackbone(root, [isDonut ? "donut" : "swin", ""], "embeddings");
    return swinPlan(p, config, version(config), { norm: !isDonut });
  },
});
