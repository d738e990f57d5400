import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../errors.ts";
import { PreprocessingError } from "./errors.ts";
import { parsePreprocessorConfig } from "./parse-preprocessor-config.ts";
import { geometryKey, preprocessingKey } from "./preprocessing.ts";

const parse = (json: unknown, modelType = "vit", imageSize?: number) =>
  parsePreprocessorConfig(json, { modelType, imageSize });
/** Steps in a line: `256s bilinear, crop 224x224`. */
function outline(json: unknown, modelType?: string, imageSize?: number): string {
  const { steps } = parse(json, modelType, imageSize).preprocessing;
  return steps
    .map((step) => {
      if (step.kind !== "resize") return `${step.kind} ${step.height}x${step.width}`;
      const { to } = step;
      return `${to.kind === "shortest" ? `${to.edge}s` : `${to.kind} ${to.height}x${to.width}`} ${step.resample}`;
    })
    .join(", ");
}
const IMAGENET = { image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] };

describe("parsePreprocessorConfig", () => {
  const cases: [what: string, json: unknown, outline: string][] = [
    ["ViT, old", { feature_extractor_type: "ViTFeatureExtractor", size: 224, resample: 2 }, "exact 224x224 bilinear"],
    ["ViT, fast", { image_processor_type: "ViTImageProcessorFast" }, "exact 224x224 bilinear"],
    ["ViT without a class", { do_resize: true, size: 384 }, "exact 384x384 bilinear"],
    [
      "DeiT, old",
      { feature_extractor_type: "DeiTFeatureExtractor", size: 256, crop_size: 224, do_center_crop: true, resample: 3 },
      "exact 256x256 bicubic, crop 224x224",
    ],
    ["BEiT", { image_processor_type: "BeitImageProcessor", size: 224, do_center_crop: false }, "exact 224x224 bicubic"],
    ["CLIP, old", { feature_extractor_type: "CLIPFeatureExtractor", size: 224 }, "224s bicubic, crop 224x224"],
    [
      "DINOv2",
      {
        image_processor_type: "BitImageProcessor",
        size: { shortest_edge: 256 },
        crop_size: { height: 224, width: 224 },
      },
      "256s bicubic, crop 224x224",
    ],
    [
      "ResNet",
      { feature_extractor_type: "ConvNextFeatureExtractor", size: 224, crop_pct: 0.875, resample: 3 },
      "256s bicubic, crop 224x224",
    ],
    [
      "ConvNeXT without crop_pct",
      { image_processor_type: "ConvNextImageProcessor", size: { shortest_edge: 224 }, crop_pct: null },
      "256s bilinear, crop 224x224",
    ],
    ["ConvNeXT, large", { image_processor_type: "ConvNextImageProcessor", size: 384 }, "exact 384x384 bilinear"],
    ["MobileNetV2", { image_processor_type: "MobileNetV2ImageProcessor" }, "256s bilinear, crop 224x224"],
    ["LeViT", { image_processor_type: "LevitImageProcessor" }, "256s bicubic, crop 224x224"],
    ["PoolFormer", { image_processor_type: "PoolFormerImageProcessor" }, "248s bicubic, crop 224x224"],
    [
      "Donut, old",
      { feature_extractor_type: "DonutFeatureExtractor", size: [1920, 2560], do_align_long_axis: true },
      "turn 2560x1920, 1920s bilinear, thumbnail 2560x1920 bicubic, crop 2560x1920",
    ],
    [
      "DETR",
      { feature_extractor_type: "DetrFeatureExtractor", size: 800, max_size: 1333, ...IMAGENET },
      "256s bilinear, crop 224x224",
    ],
    [
      "RT-DETR",
      { image_processor_type: "RTDetrImageProcessor", size: { height: 640, width: 640 } },
      "exact 640x640 bilinear",
    ],
    [
      "a shape that is kept",
      { image_processor_type: "CLIPImageProcessor", do_center_crop: false },
      "224s bicubic, crop 224x224",
    ],
    [
      "processor_config.json of transformers 5",
      { image_processor: { image_processor_type: "ViTImageProcessorFast", size: { height: 32, width: 32 } } },
      "exact 32x32 bilinear",
    ],
    [
      "timm",
      { pretrained_cfg: { input_size: [3, 224, 224], crop_pct: 0.95, interpolation: "bicubic" } },
      "235s bicubic, crop 224x224",
    ],
    [
      "timm, squash",
      { pretrained_cfg: { input_size: [3, 384, 384], crop_pct: 1, crop_mode: "squash" } },
      "exact 384x384 bicubic, crop 384x384",
    ],
    [
      "timm, border",
      { pretrained_cfg: { input_size: [3, 64, 64], crop_pct: 1, crop_mode: "border" } },
      "contain 64x64 bicubic, crop 64x64",
    ],
    ["timm, not square", { input_size: [3, 128, 64] }, "cover 146x73 bicubic, crop 128x64"],
  ];
  for (const [what, json, expected] of cases) it(what, () => expect(outline(json)).toBe(expected));

  it("combines rescaling, mean and deviation into scale and bias", () => {
    const { scale, bias } = parse({ image_processor_type: "ViTImageProcessor", ...IMAGENET }).preprocessing;
    expect(scale[0]).toBeCloseTo(1 / 255 / 0.229, 8);
    expect(bias[2]).toBeCloseTo(-0.406 / 0.225, 6);
    const raw = parse({ image_processor_type: "ViTImageProcessor", do_rescale: false, do_normalize: false });
    expect(raw.preprocessing).toMatchObject({ scale: [1, 1, 1], bias: [0, 0, 0] });
  });

  it("divides twice for EfficientNet with its top, and offsets", () => {
    const config = { image_processor_type: "EfficientNetImageProcessor", image_mean: 0.5, image_std: 0.25, size: 8 };
    const [topped, plain] = [parse(config), parse({ ...config, include_top: false })];
    expect(topped.preprocessing.scale[0]).toBeCloseTo(1 / 255 / 0.25 / 0.25, 6);
    expect(plain.preprocessing.bias[0]).toBeCloseTo(-2, 6);
    const offset = parse({ ...config, include_top: false, rescale_offset: true, rescale_factor: 1 / 127.5 });
    expect(offset.preprocessing.bias[0]).toBeCloseTo(-6, 6);
  });

  it("lets an image size override the geometry and nothing else", () => {
    for (const type of ["ViTImageProcessor", "DetrImageProcessor", "DonutImageProcessor", "CLIPImageProcessor"]) {
      const config = { image_processor_type: type, resample: 1, ...IMAGENET };
      expect(outline(config, "vit", 96)).toBe("96s lanczos, crop 96x96");
      expect(parse(config, "vit", 96).preprocessing.bias).toEqual(parse(config).preprocessing.bias);
    }
    expect(outline({ pretrained_cfg: { interpolation: "bilinear" } }, "", 64)).toBe("64s bilinear, crop 64x64");
    expect(outline({ image_processor_type: "NewImageProcessor", ...IMAGENET }, "", 64)).toBe("64s bicubic, crop 64x64");
    expect(() => parse({}, "vit", 0)).toThrow(InputError);
    expect(() => parse({}, "vit", 4097)).toThrow("--image-size: expected a whole number from 1 to 4096, got 4097");
  });

  it("says what it assumed", () => {
    expect(parse(undefined, "resnet").assumed).toEqual([
      "no preprocessor_config.json: took the usual ConvNextImageProcessor of resnet (224x224)",
    ]);
    expect(outline(undefined, "resnet")).toBe("256s bicubic, crop 224x224");
    expect(parse({ size: 224 }, "vit").assumed).toEqual([
      "its preprocessor_config.json names no class: took ViTImageProcessor",
    ]);
    expect(parse({ image_processor_type: "ViTImageProcessor" }).assumed).toEqual([]);
    expect(parse({ image_processor_type: "YolosImageProcessor" }).assumed).toHaveLength(1);
  });

  it("refuses with a reason and a way out", () => {
    const refusals: [json: unknown, message: RegExp][] = [
      [
        { image_processor_type: "Pix2StructImageProcessor" },
        /"Pix2StructImageProcessor" is not supported; --image-size/,
      ],
      [{ image_processor_type: "ViTImageProcessor", do_resize: false }, /neither resizes nor crops; --image-size/],
      [{ image_processor_type: "ViTImageProcessor", size: 5000 }, /size is not as expected .*--image-size/],
      [{ image_processor_type: "ViTImageProcessor", image_std: [0, 1, 1] }, /image_std/],
      [{ image_processor_type: "ViTImageProcessor", size: { longest_edge: 224 } }, /longest_edge/],
      [{ pretrained_cfg: { input_size: [1, 28, 28] } }, /1 channels/],
      [{ pretrained_cfg: { crop_pct: 0 } }, /pretrained_cfg: crop_pct/],
      [[], /not a JSON object/],
    ];
    for (const [json, message] of refusals) {
      expect(() => parse(json)).toThrow(PreprocessingError);
      expect(() => parse(json)).toThrow(message);
    }
    expect(() => parse(undefined, "mystery")).toThrow(/no default is known for the model type "mystery"/);
    expect(() => parse({ size: 224 }, "mystery")).toThrow(/names no class/);
  });

  it("throws nothing but its own error, whatever the JSON", () => {
    const names = fc.constantFrom(
      "image_processor_type",
      "feature_extractor_type",
      "size",
      "crop_size",
      "crop_pct",
      "resample",
      "image_mean",
      "image_std",
      "rescale_factor",
      "do_resize",
      "do_center_crop",
      "pretrained_cfg",
      "input_size",
      "image_processor",
    );
    const types = fc.constantFrom("ViT", "Donut", "ConvNext", "Detr", "CLIP", "Levit").map((t) => `${t}ImageProcessor`);
    const size = fc.dictionary(fc.constantFrom("height", "width", "shortest_edge", "longest_edge"), fc.integer());
    const value = fc.oneof(fc.jsonValue(), types, size, fc.double(), fc.array(fc.double(), { maxLength: 3 }));
    const config = fc.oneof(fc.jsonValue(), fc.dictionary(names, value));
    fc.assert(
      fc.property(config, fc.option(fc.integer({ min: 1, max: 4096 }), { nil: undefined }), (json, imageSize) => {
        try {
          const { preprocessing } = parse(json, "vit", imageSize);
          expect([...preprocessing.scale, ...preprocessing.bias].every(Number.isFinite)).toBe(true);
          expect(Math.max(preprocessing.height, preprocessing.width)).toBeLessThanOrEqual(4096);
        } catch (error) {
          expect(error).toBeInstanceOf(PreprocessingError);
        }
      }),
      { numRuns: 3000, verbose: 1 },
    );
  });
});

describe("keys", () => {
  const config = { image_processor_type: "ViTImageProcessor", ...IMAGENET };
  const { preprocessing } = parse(config);

  it("survive JSON and the order of its keys", () => {
    const { bias, scale, width, height, steps } = preprocessing;
    expect(preprocessingKey({ bias, steps, width, scale, height })).toBe(preprocessingKey(preprocessing));
    expect(preprocessingKey(JSON.parse(JSON.stringify(preprocessing)))).toBe(preprocessingKey(preprocessing));
    expect(preprocessingKey(preprocessing)).toMatch(/^[0-9a-f]{64}$/);
  });

  it("are equal for the same numbers stored as float32", () => {
    const stored = {
      ...config,
      image_mean: IMAGENET.image_mean.map(Math.fround),
      rescale_factor: Math.fround(1 / 255),
    };
    expect(preprocessingKey(parse(stored).preprocessing)).toBe(preprocessingKey(preprocessing));
  });

  it("tell apart what makes other tensors, and geometry from normalisation", () => {
    const half = parse({ image_processor_type: "ViTImageProcessor" }).preprocessing;
    const small = parse({ ...config, size: 112 }).preprocessing;
    expect(preprocessingKey(half)).not.toBe(preprocessingKey(preprocessing));
    expect(geometryKey(half)).toBe(geometryKey(preprocessing));
    expect(geometryKey(small)).not.toBe(geometryKey(preprocessing));
  });
});
