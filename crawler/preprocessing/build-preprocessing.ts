import { PreprocessingError } from "./errors.ts";
import type { GeometryStep, Preprocessing, Resample, Triple } from "./preprocessing.ts";

/** `value = ((level * rescale - offset) - mean) / std / again`, for each channel. */
export interface Normalization {
  readonly rescale: number;
  readonly offset: number;
  readonly mean: Triple;
  readonly std: Triple;
  readonly again: Triple;
}

/** Shortest edge to `edge`, then the centre square of `crop` pixels: what most models do, and what --image-size means. */
export const squareCrop = (edge: number, crop: number, resample: Resample): GeometryStep[] => [
  { kind: "resize", to: { kind: "shortest", edge }, resample },
  centreCrop(crop, crop),
];

/** A centre crop as transformers makes it. */
export const centreCrop = (height: number, width: number): GeometryStep => ({
  kind: "crop",
  height,
  width,
  odd: "transformers",
  fill: [0, 0, 0],
});

/** Puts the parts together. The last step must say the size of the result. */
export function buildPreprocessing(steps: readonly GeometryStep[], normalization: Normalization): Preprocessing {
  const { rescale, offset, mean, std, again } = normalization;
  const channel = (c: 0 | 1 | 2) => ({
    scale: rounded(rescale / std[c] / again[c]),
    bias: rounded((-offset - mean[c]) / std[c] / again[c]),
  });
  const [red, green, blue] = [channel(0), channel(1), channel(2)];
  return {
    steps,
    ...outputSize(steps),
    scale: [red.scale, green.scale, blue.scale],
    bias: [red.bias, green.bias, blue.bias],
  };
}

/**
 * Seven digits, as many as a float32 has: the same numbers are written 0.485 in one repository and 0.48500001430511475
 * in the next, and must give the same key.
 */
const rounded = (x: number): number => Number(x.toPrecision(7)) + 0; // + 0: no negative zero

function outputSize(steps: readonly GeometryStep[]): { height: number; width: number } {
  const last = steps.at(-1);
  if (last?.kind === "crop") return { height: last.height, width: last.width };
  if (last?.kind === "resize" && last.to.kind === "exact") return { height: last.to.height, width: last.to.width };
  throw new PreprocessingError("its pictures have no fixed size; --image-size N gives them one");
}

/**
 * The same preprocessing at another size: shortest edge to `size` pixels, centre crop of a square, no margin. Filter,
 * scale and bias stay.
 */
export function withImageSize(preprocessing: Preprocessing, size: number): Preprocessing {
  const resize = preprocessing.steps.find((step) => step.kind === "resize");
  const steps = squareCrop(size, size, resize?.resample ?? "bilinear");
  return { ...preprocessing, steps, height: size, width: size };
}
