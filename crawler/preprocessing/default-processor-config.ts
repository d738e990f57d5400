const IMAGENET = { image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] };

interface DefaultConfig {
  readonly image_processor_type: string;
  readonly [setting: string]: unknown;
}

/** What the usual base models of a model type ship as preprocessor_config.json. */
const DEFAULTS: readonly { readonly modelTypes: readonly string[]; readonly config: DefaultConfig }[] = [
  {
    modelTypes: ["vit", "vit_mae", "vit_msn", "ijepa", "trocr", "vision-encoder-decoder"],
    config: { image_processor_type: "ViTImageProcessor" },
  },
  {
    modelTypes: ["swin", "swinv2", "swiftformer", "dinat", "nat"],
    config: { image_processor_type: "ViTImageProcessor", resample: 3, ...IMAGENET },
  },
  { modelTypes: ["deit"], config: { image_processor_type: "DeiTImageProcessor", ...IMAGENET } },
  {
    modelTypes: ["beit", "data2vec-vision"],
    config: { image_processor_type: "BeitImageProcessor", size: 224, do_center_crop: false, resample: 2 },
  },
  {
    modelTypes: ["dinov2", "dinov2_with_registers"],
    config: { image_processor_type: "BitImageProcessor", size: { shortest_edge: 256 }, ...IMAGENET },
  },
  { modelTypes: ["dinov3_vit"], config: { image_processor_type: "DINOv3ViTImageProcessor" } },
  { modelTypes: ["bit", "focalnet", "hiera"], config: { image_processor_type: "BitImageProcessor" } },
  {
    modelTypes: ["resnet", "regnet", "convnext", "convnextv2", "cvt", "van"],
    config: { image_processor_type: "ConvNextImageProcessor", size: 224, resample: 3, ...IMAGENET },
  },
  {
    modelTypes: ["clip", "clip_vision_model", "chinese_clip", "git", "metaclip_2"],
    config: { image_processor_type: "CLIPImageProcessor" },
  },
  { modelTypes: ["siglip", "siglip_vision_model"], config: { image_processor_type: "SiglipImageProcessor" } },
  { modelTypes: ["blip", "blip-2", "instructblip"], config: { image_processor_type: "BlipImageProcessor" } },
  {
    modelTypes: ["efficientnet", "align"],
    config: {
      image_processor_type: "EfficientNetImageProcessor",
      size: 224,
      image_mean: IMAGENET.image_mean,
      image_std: [0.47853944, 0.4732864, 0.47434163],
    },
  },
  { modelTypes: ["mobilenet_v1"], config: { image_processor_type: "MobileNetV1ImageProcessor" } },
  { modelTypes: ["mobilenet_v2"], config: { image_processor_type: "MobileNetV2ImageProcessor" } },
  { modelTypes: ["segformer", "upernet"], config: { image_processor_type: "SegformerImageProcessor" } },
  { modelTypes: ["donut-swin", "donut"], config: { image_processor_type: "DonutImageProcessor" } },
  {
    modelTypes: ["detr", "table-transformer", "conditional_detr", "deformable_detr", "deta", "yolos"],
    config: { image_processor_type: "DetrImageProcessor" },
  },
  { modelTypes: ["rt_detr"], config: { image_processor_type: "RTDetrImageProcessor" } },
  { modelTypes: ["levit"], config: { image_processor_type: "LevitImageProcessor" } },
  { modelTypes: ["poolformer"], config: { image_processor_type: "PoolFormerImageProcessor" } },
  { modelTypes: ["pvt", "pvt_v2"], config: { image_processor_type: "PvtImageProcessor" } },
];

/** What to assume for a model that ships no preprocessor_config.json; undefined where nothing sensible is known. */
export const findDefaultProcessorConfig = (modelType: string): DefaultConfig | undefined =>
  DEFAULTS.find(({ modelTypes }) => modelTypes.includes(modelType))?.config;
