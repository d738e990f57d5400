import type { Resample, Triple } from "./preprocessing.ts";

const HALF: Triple = [0.5, 0.5, 0.5];
const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
const STANDARD = { mean: HALF, std: HALF } as const;
const CLIP = { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] } as const;

/**
 * How a class reads its settings.
 * - `plain`: resize, then a centre crop where one is asked for; a `size` that is one number means a square or the
 *   shortest edge (`number`);
 * - `crop-pct`: ConvNeXT. Below 384 px the shortest edge becomes size / crop_pct, then centre crop; else a square;
 * - `levit`: a shortest edge becomes 256 / 224 of itself, then centre crop;
 * - `poolformer`: as timm, size / crop_pct, then centre crop;
 * - `donut`: fit into the size and pad;
 * - `detection`: every picture a size of its own, which is not how features are made here (see detectionSteps).
 */
export type Layout = "plain" | "crop-pct" | "levit" | "poolformer" | "donut" | "detection";

/** What a class of image processors does where its configuration says nothing. Sizes in pixels. */
export interface ProcessorClass {
  readonly layout: Layout;
  readonly number: "square" | "shortest";
  readonly size: { readonly height: number; readonly width: number } | { readonly shortest: number };
  /** The centre crop, and whether it is made when nothing is said. */
  readonly crop?: { readonly edge: number; readonly byDefault: boolean };
  readonly cropPct?: number;
  readonly resample: Resample;
  readonly mean: Triple;
  readonly std: Triple;
  readonly normalizes: boolean;
  /** EfficientNet for classification divides by the deviation once more. */
  readonly includeTop?: boolean;
}

type Some = Partial<ProcessorClass> & Pick<ProcessorClass, "resample" | "mean" | "std">;

const square = (edge: number, rest: Some): ProcessorClass => ({
  layout: "plain",
  number: "square",
  size: { height: edge, width: edge },
  normalizes: true,
  ...rest,
});
const shortest = (edge: number, rest: Some): ProcessorClass => ({
  layout: "plain",
  number: "shortest",
  size: { shortest: edge },
  normalizes: true,
  ...rest,
});
const cropTo = (edge: number) => ({ edge, byDefault: true });
const detection = shortest(800, { layout: "detection", resample: "bilinear", ...IMAGENET });
const clip = shortest(224, { resample: "bicubic", crop: cropTo(224), ...CLIP });

/**
 * The image processors of transformers (4.57) by the name of their class in lower case, without ImageProcessor,
 * ImageProcessorFast or FeatureExtractor.
 */
export const PROCESSOR_CLASSES: ReadonlyMap<string, ProcessorClass> = new Map(
  Object.entries({
    vit: square(224, { resample: "bilinear", ...STANDARD }),
    deit: square(256, { resample: "bicubic", crop: cropTo(224), ...STANDARD }),
    beit: square(256, { resample: "bicubic", crop: cropTo(224), ...STANDARD }),
    bit: clip,
    vithybrid: clip,
    clip,
    chineseclip: clip,
    flava: square(224, { resample: "bicubic", crop: cropTo(224), ...CLIP }),
    siglip: square(224, { resample: "bicubic", ...STANDARD }),
    blip: square(384, { resample: "bicubic", ...CLIP }),
    owlvit: square(768, { resample: "bicubic", crop: { edge: 768, byDefault: false }, ...CLIP }),
    dinov3vit: square(224, { resample: "bilinear", ...IMAGENET }),
    convnext: shortest(384, { layout: "crop-pct", cropPct: 0.875, resample: "bilinear", ...STANDARD }),
    efficientnet: square(346, {
      resample: "nearest",
      crop: { edge: 289, byDefault: false },
      includeTop: true,
      ...STANDARD,
    }),
    efficientformer: square(224, { resample: "bicubic", crop: cropTo(224), ...IMAGENET }),
    mobilenetv1: shortest(256, { resample: "bilinear", crop: cropTo(224), ...STANDARD }),
    mobilenetv2: shortest(256, { resample: "bilinear", crop: cropTo(224), ...STANDARD }),
    segformer: square(512, { resample: "bilinear", ...IMAGENET }),
    pvt: square(224, { resample: "bilinear", ...IMAGENET }),
    levit: shortest(224, { layout: "levit", resample: "bicubic", crop: cropTo(224), ...IMAGENET }),
    poolformer: shortest(224, {
      layout: "poolformer",
      cropPct: 0.9,
      resample: "bicubic",
      crop: cropTo(224),
      ...IMAGENET,
    }),
    layoutlmv3: square(224, { resample: "bilinear", ...STANDARD }),
    donut: {
      ...square(1, { layout: "donut", resample: "bilinear", ...STANDARD }),
      size: { height: 2560, width: 1920 },
    },
    detr: detection,
    conditionaldetr: detection,
    deformabledetr: detection,
    deta: detection,
    groundingdino: detection,
    yolos: detection,
    rtdetr: { ...square(640, { layout: "detection", resample: "bilinear", ...IMAGENET }), normalizes: false },
  } satisfies Record<string, ProcessorClass>),
);
