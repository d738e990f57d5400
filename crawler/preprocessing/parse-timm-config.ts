import { buildPreprocessing, squareCrop } from "./build-preprocessing.ts";
import { PreprocessingError } from "./errors.ts";
import { MAX_EDGE, parseSettings, timmSchema } from "./preprocessor-schema.ts";
import type { GeometryStep, Preprocessing, Triple } from "./preprocessing.ts";

/** timm's defaults (timm.data.resolve_data_config), which hold where pretrained_cfg says nothing. */
const DEFAULTS = {
  size: 224,
  cropPct: 0.875,
  cropMode: "center",
  interpolation: "bicubic",
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
} as const;

/**
 * Reads the preprocessing of a timm model from its config.json; undefined where the JSON is not timm's.
 * @param imageSize as --image-size
 */
export function parseTimmConfig(json: Record<string, unknown>, imageSize?: number): Preprocessing | undefined {
  // Since timm 0.9 the settings are under pretrained_cfg; before, they stood beside the architecture.
  const cfg = "pretrained_cfg" in json ? json.pretrained_cfg : "input_size" in json ? json : undefined;
  if (cfg === undefined) return undefined;
  const settings = parseSettings(timmSchema, cfg, "pretrained_cfg");
  const [channels, height, width] = settings.input_size ?? [3, DEFAULTS.size, DEFAULTS.size];
  if (channels !== 3) throw new PreprocessingError(`its input has ${channels} channels, pictures have 3`);
  const mean: Triple = settings.mean ?? DEFAULTS.mean;
  const resample = settings.interpolation ?? DEFAULTS.interpolation;
  const normalization = {
    rescale: 1 / 255,
    offset: 0,
    mean,
    std: settings.std ?? DEFAULTS.std,
    again: [1, 1, 1],
  } as const;
  if (imageSize !== undefined) return buildPreprocessing(squareCrop(imageSize, imageSize, resample), normalization);

  const cropPct = settings.crop_pct ?? DEFAULTS.cropPct;
  const enlarge = (pixels: number): number => Math.max(1, Math.floor(pixels / cropPct));
  const enlarged = { height: enlarge(height), width: enlarge(width) };
  if (Math.max(enlarged.height, enlarged.width) > MAX_EDGE) {
    throw new PreprocessingError(`its crop_pct of ${cropPct} asks for more than ${MAX_EDGE} pixels`);
  }
  const crop = (fill: Triple): GeometryStep => ({ kind: "crop", height, width, odd: "torchvision", fill });
  const steps = (): GeometryStep[] => {
    switch (settings.crop_mode ?? DEFAULTS.cropMode) {
      case "squash":
        return [{ kind: "resize", to: { kind: "exact", ...enlarged }, resample }, crop([0, 0, 0])];
      case "border": {
        const [red, green, blue] = mean;
        const fill: Triple = [Math.round(255 * red), Math.round(255 * green), Math.round(255 * blue)];
        return [{ kind: "resize", to: { kind: "contain", ...enlarged }, resample }, crop(fill)];
      }
      case "center":
        return enlarged.height === enlarged.width
          ? [{ kind: "resize", to: { kind: "shortest", edge: enlarged.height }, resample }, crop([0, 0, 0])]
          : [{ kind: "resize", to: { kind: "cover", ...enlarged }, resample }, crop([0, 0, 0])];
    }
  };
  return buildPreprocessing(steps(), normalization);
}
