import { UnsupportedModelError } from "../../errors.ts";

/** What timm's entry function of a vision transformer sets and its weights don't tell (timm/models/vision_transformer.py). */
export interface TimmViTVariant {
  readonly heads: number;
  /** By transformers' names. */
  readonly activation: string;
  readonly epsilon: number;
}

/** Attention heads by the size in the name; where a name has more after its size, by both. */
const HEADS: Readonly<Record<string, number>> = {
  tiny: 3,
  wee: 4,
  xsmall: 4,
  little: 5,
  small: 6,
  medium: 8,
  mediumd: 8,
  betwixt: 10,
  base: 12,
  so150m2: 13,
  so150m: 14,
  large: 16,
  huge: 16,
  giant: 16,
  giantopt: 16,
  gigantic: 16,
  so400m: 16,
};

/** Variants that are plain pre-norm encoders: their tokens, norms and layer scale show in the weights' names. */
const PLAIN =
  /^(?:vit|deit3?)_([a-z0-9]+?)(?:_distilled)?_patch\d+(_36x1|_plus|_plus_clip|_clip|_clip_quickgelu|_dinov2|_reg\d_dinov2|_reg\d_tipsv2|_gap|_reg\d_gap|_reg\d_map|_siglip|_siglip_gap)?(?:_(\d+))?(?:_miil)?$/;

/** @throws UnsupportedModelError for a vision transformer with other layers than the plain ones */
export function timmViTVariant(name: string): TimmViTVariant {
  const [matched, size = "", kind = "", side = ""] = PLAIN.exec(name) ?? [];
  const heads = Object.hasOwn(HEADS, size) ? HEADS[size] : undefined;
  if (matched === undefined || heads === undefined) {
    throw new UnsupportedModelError(
      `timm vision transformer "${name}" has no exporter: its layers are not plain pre-norm ones, or its name is unknown`,
    );
  }
  return {
    heads: headsOf(size, kind, side) ?? heads,
    activation: activationOf(name, size, kind),
    epsilon: kind.includes("_clip") ? 1e-5 : 1e-6,
  };
}

function headsOf(size: string, kind: string, side: string): number | undefined {
  if (size === "base" && kind.startsWith("_plus")) return 14;
  if (size === "base" && kind === "_gap" && side === "224") return 16;
  return size === "giant" && /dinov2|tipsv2/.test(kind) ? 24 : undefined;
}

function activationOf(name: string, size: string, kind: string): string {
  if (kind === "_clip_quickgelu") return "quick_gelu";
  if (size === "giant" && /dinov2|tipsv2/.test(kind)) return "swiglu";
  const isLaterSigLip = /patch32_siglip|so400m_patch16|giantopt|large_patch16_siglip(_gap)?_512/.test(name);
  return kind.startsWith("_siglip") && isLaterSigLip ? "gelu_pytorch_tanh" : "gelu";
}
