import { centreCrop, squareCrop } from "./build-preprocessing.ts";
import { PreprocessingError } from "./errors.ts";
import type { SizeSetting, TransformersSettings } from "./preprocessor-schema.ts";
import type { ProcessorClass } from "./processor-classes.ts";
import type { GeometryStep, Resample, ResizeTo } from "./preprocessing.ts";

/** Pillow's codes of its filters, which configurations store. */
export const RESAMPLE_CODES: readonly Resample[] = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"];

/** From this shortest edge on, ConvNeXT processors squash pictures instead of cropping them. */
const CONVNEXT_SQUASH_EDGE = 384;

interface Steps {
  readonly steps: readonly GeometryStep[];
  readonly assumed: readonly string[];
}

/** What a processor class does with its settings, as steps that end at a fixed size. */
export function processorSteps(processor: ProcessorClass, settings: TransformersSettings, resample: Resample): Steps {
  switch (processor.layout) {
    case "plain":
      return plainSteps(processor, settings, resample);
    case "levit":
      return plainSteps(processor, settings, resample, widenLevit);
    case "poolformer": {
      const cropPct = settings.crop_pct ?? processor.cropPct ?? 1;
      return plainSteps(processor, settings, resample, (to) => widenPoolFormer(to, cropPct));
    }
    case "crop-pct":
      return sure(convNextSteps(processor, settings, resample));
    case "donut":
      return sure(donutSteps(processor, settings, resample));
    case "detection":
      return detectionSteps(processor, settings, resample);
  }
}

const sure = (steps: readonly GeometryStep[]): Steps => ({ steps, assumed: [] });

/** @param widen what is resized to in place of the stated size, so that the crop has a margin */
function plainSteps(
  processor: ProcessorClass,
  settings: TransformersSettings,
  resample: Resample,
  widen = (to: ResizeTo): ResizeTo => to,
): Steps {
  const steps: GeometryStep[] = [];
  let fixed = false;
  let edge: number | undefined;
  if (settings.do_resize !== false) {
    const to = resizeTo(processor, settings.size);
    edge = to.kind === "shortest" ? to.edge : undefined;
    fixed = edge === undefined;
    steps.push({ kind: "resize", to: widen(to), resample });
  }
  if (processor.crop && (settings.do_center_crop ?? processor.crop.byDefault)) {
    const { height, width } = cropSize(settings.crop_size, processor.crop.edge);
    return sure([...steps, centreCrop(height, width)]);
  }
  if (fixed) return sure(steps);
  if (edge === undefined) {
    throw new PreprocessingError("its processor neither resizes nor crops; --image-size N gives pictures a size");
  }
  return {
    steps: [...steps, centreCrop(edge, edge)],
    assumed: [`its processor keeps the shape of pictures: took the centre ${edge}x${edge}`],
  };
}

const widenLevit = (to: ResizeTo): ResizeTo =>
  to.kind === "shortest" ? { ...to, edge: Math.trunc((256 / 224) * to.edge) } : to;

function widenPoolFormer(to: ResizeTo, cropPct: number): ResizeTo {
  const widen = (pixels: number): number => Math.max(1, Math.trunc(pixels / cropPct));
  if (to.kind === "shortest") return { ...to, edge: widen(to.edge) };
  if (to.height === to.width) return { kind: "shortest", edge: widen(to.height) };
  return { ...to, height: widen(to.height), width: widen(to.width) };
}

function convNextSteps(processor: ProcessorClass, settings: TransformersSettings, resample: Resample): GeometryStep[] {
  requireResize(settings);
  const to = resizeTo(processor, settings.size);
  const edge = to.kind === "shortest" ? to.edge : to.height;
  if (edge >= CONVNEXT_SQUASH_EDGE) {
    return [{ kind: "resize", to: { kind: "exact", height: edge, width: edge }, resample }];
  }
  const cropPct = settings.crop_pct ?? processor.cropPct ?? 1;
  return squareCrop(Math.max(1, Math.trunc(edge / cropPct)), edge, resample);
}

/** Pillow would first shrink panoramas of four to one and more by whole factors here; this resamples them directly. */
function donutSteps(processor: ProcessorClass, settings: TransformersSettings, resample: Resample): GeometryStep[] {
  requireResize(settings);
  const { height, width } = donutSize(processor, settings.size);
  const steps: GeometryStep[] = settings.do_align_long_axis === true ? [{ kind: "turn", height, width }] : [];
  steps.push({ kind: "resize", to: { kind: "shortest", edge: Math.min(height, width) }, resample });
  if (settings.do_thumbnail !== false) {
    steps.push({ kind: "resize", to: { kind: "thumbnail", height, width }, resample: "bicubic" });
  }
  return [...steps, { kind: "crop", height, width, odd: "torchvision", fill: [0, 0, 0] }];
}

/** Old configurations list a Donut's size as width, height. */
function donutSize(processor: ProcessorClass, setting: SizeSetting | null | undefined) {
  if (setting && "pair" in setting) return { height: setting.pair[1], width: setting.pair[0] };
  const to = resizeTo(processor, setting);
  return to.kind === "shortest" ? { height: to.edge, width: to.edge } : { height: to.height, width: to.width };
}

/** Input of a detection model's backbone here, and the edge it is cropped from: as for classification. */
const DETECTION_EDGE = 224;
const DETECTION_RESIZE = 256;
/** A detection processor with a fixed size below this is taken at its word. */
const DETECTION_LARGE = 800;

/**
 * Detection processors give every picture a size of its own, of 800 px and more. Features for search need one size, and
 * far fewer pixels tell the classes of pictures apart.
 */
function detectionSteps(processor: ProcessorClass, settings: TransformersSettings, resample: Resample): Steps {
  const to = resizeTo(processor, settings.size);
  if (to.kind === "exact" && Math.max(to.height, to.width) < DETECTION_LARGE) {
    return sure([{ kind: "resize", to, resample }]);
  }
  return {
    steps: squareCrop(DETECTION_RESIZE, DETECTION_EDGE, resample),
    assumed: [
      `a detection processor: took ${DETECTION_EDGE}x${DETECTION_EDGE} from a shortest edge of ${DETECTION_RESIZE}; --image-size N changes it`,
    ],
  };
}

function resizeTo(processor: ProcessorClass, setting: SizeSetting | null | undefined): ResizeTo {
  if (!setting) {
    const { size } = processor;
    return "shortest" in size ? { kind: "shortest", edge: size.shortest } : { kind: "exact", ...size };
  }
  if ("number" in setting) {
    const { number } = setting;
    return processor.number === "shortest"
      ? { kind: "shortest", edge: number }
      : { kind: "exact", height: number, width: number };
  }
  if ("pair" in setting) return { kind: "exact", height: setting.pair[0], width: setting.pair[1] };
  if ("height" in setting) return { kind: "exact", height: setting.height, width: setting.width };
  if ("shortest_edge" in setting) return { kind: "shortest", edge: setting.shortest_edge };
  if (processor.layout === "detection") return { kind: "shortest", edge: DETECTION_LARGE };
  throw new PreprocessingError(
    `its size names only ${Object.keys(setting).join(" and ")}, which its processor does not take; --image-size N does without`,
  );
}

function cropSize(setting: SizeSetting | null | undefined, edge: number): { height: number; width: number } {
  if (!setting) return { height: edge, width: edge };
  if ("number" in setting) return { height: setting.number, width: setting.number };
  if ("pair" in setting) return { height: setting.pair[0], width: setting.pair[1] };
  if ("height" in setting) return { height: setting.height, width: setting.width };
  if ("shortest_edge" in setting) return { height: setting.shortest_edge, width: setting.shortest_edge };
  throw new PreprocessingError("its crop_size names no height and width; --image-size N does without");
}

function requireResize(settings: TransformersSettings): void {
  if (settings.do_resize === false) {
    throw new PreprocessingError("its processor does not resize pictures; --image-size N gives them a size");
  }
}
