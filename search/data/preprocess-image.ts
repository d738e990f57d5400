import type { GeometryStep, Preprocessing, ResizeTo } from "../../crawler/preprocessing/preprocessing.ts";
import { cut, resize } from "./resize.ts";
import type { Rect, RgbImage, Size } from "./rgb-image.ts";

type Crop = Extract<GeometryStep, { kind: "crop" }>;

/**
 * Does a model's geometry to a picture.
 * @returns uint8 [3, height, width]: the red plane, the green, the blue. Scale and bias are still to be applied.
 */
export function preprocessImage(image: RgbImage, { steps, height, width }: Preprocessing): Uint8Array<ArrayBuffer> {
  let current = image;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i];
    const next = steps[i + 1];
    if (step?.kind === "resize" && next?.kind === "crop") {
      current = resizeAndCrop(current, step, next);
      i++;
    } else if (step) {
      current = applyStep(current, step);
    }
  }
  if (current.height !== height || current.width !== width) {
    throw new RangeError(`the steps made ${current.height}x${current.width} pixels, expected ${height}x${width}`);
  }
  return toPlanes(current);
}

function applyStep(image: RgbImage, step: GeometryStep): RgbImage {
  switch (step.kind) {
    case "turn":
      return (step.width - step.height) * (image.width - image.height) < 0 ? turnClockwise(image) : image;
    case "resize":
      return resize(image, resizedSize(image, step.to), step.resample);
    case "crop": {
      const { inside, offset } = planCrop(image, step);
      return place(cut(image, inside), step, offset);
    }
  }
}

/** Computes only the part of the resized picture that the crop keeps. */
function resizeAndCrop(image: RgbImage, step: Extract<GeometryStep, { kind: "resize" }>, crop: Crop): RgbImage {
  const size = resizedSize(image, step.to);
  const { inside, offset } = planCrop(size, crop);
  return place(resize(image, size, step.resample, inside), crop, offset);
}

/** The size in pixels that a picture gets. Roundings follow transformers, torchvision and timm to the pixel. */
export function resizedSize({ height, width }: Size, to: ResizeTo): Size {
  switch (to.kind) {
    case "exact":
      return { height: to.height, width: to.width };
    case "shortest": {
      const long = Math.trunc((to.edge * Math.max(height, width)) / Math.min(height, width));
      return width <= height ? { height: long, width: to.edge } : { height: to.edge, width: long };
    }
    case "cover":
    case "contain": {
      const ratios = [height / to.height, width / to.width];
      const ratio = to.kind === "cover" ? Math.min(...ratios) : Math.max(...ratios);
      return {
        height: Math.max(1, roundHalfToEven(height / ratio)),
        width: Math.max(1, roundHalfToEven(width / ratio)),
      };
    }
    case "thumbnail": {
      const h = Math.min(height, to.height);
      const w = Math.min(width, to.width);
      if (h === height && w === width) return { height, width };
      if (height > width) return { height: h, width: Math.max(1, Math.trunc((width * h) / height)) };
      if (width > height) return { height: Math.max(1, Math.trunc((height * w) / width)), width: w };
      return { height: h, width: w };
    }
  }
}

/**
 * Where a centre crop lies.
 * @returns `inside`: the part of the picture that is kept; `offset`: where it goes in the result
 */
export function planCrop(image: Size, crop: Crop): { inside: Rect; offset: { top: number; left: number } } {
  const top = cropStart(image.height, crop.height, crop.odd);
  const left = cropStart(image.width, crop.width, crop.odd);
  const inside: Rect = {
    top: Math.max(0, top),
    left: Math.max(0, left),
    height: Math.min(image.height, crop.height),
    width: Math.min(image.width, crop.width),
  };
  return { inside, offset: { top: Math.max(0, -top), left: Math.max(0, -left) } };
}

/** First pixel of the picture that the crop takes; below zero where the picture is smaller and is padded. */
function cropStart(have: number, want: number, odd: Crop["odd"]): number {
  const spare = have - want;
  if (odd === "transformers") return Math.floor(spare / 2);
  return spare < 0 ? -Math.floor(-spare / 2) : roundHalfToEven(spare / 2);
}

function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/** The picture on a ground of `height` x `width` pixels of the colour `fill`. */
function place(image: RgbImage, { height, width, fill }: Crop, { top, left }: { top: number; left: number }): RgbImage {
  if (image.height === height && image.width === width) return image;
  const data = new Uint8Array(height * width * 3);
  if (fill.some((level) => level !== 0)) for (let i = 0; i < data.length; i++) data[i] = fill[i % 3] ?? 0;
  for (let y = 0; y < image.height; y++) {
    const row = image.data.subarray(y * image.width * 3, (y + 1) * image.width * 3);
    data.set(row, ((top + y) * width + left) * 3);
  }
  return { data, width, height };
}

function turnClockwise({ data, width, height }: RgbImage): RgbImage {
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * 3;
      out.set(data.subarray(from, from + 3), (x * height + (height - 1 - y)) * 3);
    }
  }
  return { data: out, width: height, height: width };
}

function toPlanes({ data, width, height }: RgbImage): Uint8Array<ArrayBuffer> {
  const pixels = width * height;
  const planes = new Uint8Array(3 * pixels);
  for (let i = 0, at = 0; i < pixels; i++) {
    planes[i] = data[at++] ?? 0;
    planes[pixels + i] = data[at++] ?? 0;
    planes[2 * pixels + i] = data[at++] ?? 0;
  }
  return planes;
}
