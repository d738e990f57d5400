import { describe, expect, it } from "vitest";
import { UnsupportedModelError } from "../../errors.ts";
import { timmViTVariant } from "./timm-vit-variant.ts";

describe("timmViTVariant", () => {
  it.each([
    ["vit_base_patch16_224", 12, "gelu", 1e-6],
    ["vit_tiny_patch16_384", 3, "gelu", 1e-6],
    ["vit_base_patch16_gap_224", 16, "gelu", 1e-6],
    ["vit_base_patch16_plus_clip_240", 14, "gelu", 1e-5],
    ["vit_large_patch14_clip_quickgelu_336", 16, "quick_gelu", 1e-5],
    ["vit_small_patch14_reg4_dinov2", 6, "gelu", 1e-6],
    ["vit_giant_patch14_dinov2", 24, "swiglu", 1e-6],
    ["vit_so150m2_patch16_reg1_gap_256", 13, "gelu", 1e-6],
    ["vit_large_patch16_siglip_384", 16, "gelu", 1e-6],
    ["vit_large_patch16_siglip_gap_512", 16, "gelu_pytorch_tanh", 1e-6],
    ["deit_small_distilled_patch16_224", 6, "gelu", 1e-6],
    ["deit3_medium_patch16_224", 8, "gelu", 1e-6],
  ])("reads %s", (name, heads, activation, epsilon) => {
    expect(timmViTVariant(name)).toEqual({ heads, activation, epsilon });
  });

  it.each([
    "vit_base_patch16_xp_224",
    "vit_base_patch16_rpn_224",
    "vit_dwee_patch16_reg1_gap_256",
    "vit_huge_patch16_radio_v3",
  ])("refuses %s, whose layers are others", (name) =>
    expect(() => timmViTVariant(name)).toThrow(UnsupportedModelError),
  );
});
