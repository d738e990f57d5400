import { createHash } from "node:crypto";
import type { TextPreprocessing } from "../text/text-preprocessing.ts";

/** Pillow's filters. All but `nearest` average when they shrink (antialiasing). */
export type Resample = "nearest" | "box" | "bilinear" | "hamming" | "bicubic" | "lanczos";

/**
 * The size that a picture is resized to, in pixels.
 * - `exact`: this size, whatever the shape;
 * - `shortest`: the shorter edge becomes `edge`, the other follows, rounded down;
 * - `cover`, `contain`: the smallest size that covers, the largest that fits into height x width, same shape, rounded
 *   to nearest (timm);
 * - `thumbnail`: fits into height x width, never enlarged, rounded down (Donut).
 */
export type ResizeTo =
  | { readonly kind: "exact"; readonly height: number; readonly width: number }
  | { readonly kind: "shortest"; readonly edge: number }
  | { readonly kind: "cover"; readonly height: number; readonly width: number }
  | { readonly kind: "contain"; readonly height: number; readonly width: number }
  | { readonly kind: "thumbnail"; readonly height: number; readonly width: number };

/**
 * One thing that is done to an 8-bit RGB picture.
 * - `turn`: a quarter clockwise, where the picture's long edge is not that of height x width (Donut);
 * - `resize`;
 * - `crop`: the centre of height x width; what lies outside the picture gets the colour `fill`. `odd` says where the
 *   odd pixel goes: `transformers` or `torchvision` (which also is where Donut pads).
 */
export type GeometryStep =
  | { readonly kind: "turn"; readonly height: number; readonly width: number }
  | { readonly kind: "resize"; readonly to: ResizeTo; readonly resample: Resample }
  | {
      readonly kind: "crop";
      readonly height: number;
      readonly width: number;
      readonly odd: "transformers" | "torchvision";
      readonly fill: Triple;
    };

/** One number a channel: red, green, blue. */
export type Triple = readonly [number, number, number];

/**
 * What a model does to a picture before its first layer: the steps make it 8-bit RGB of height x width, then
 * `value = level * scale[channel] + bias[channel]`. Plain JSON-safe data.
 */
export interface Preprocessing {
  readonly steps: readonly GeometryStep[];
  readonly height: number;
  readonly width: number;
  readonly scale: Triple;
  readonly bias: Triple;
}

/** Names an input tensor up to the picture or text: sha256 hex. Equal keys = same tensor of the same item. */
export const preprocessingKey = (preprocessing: Preprocessing | TextPreprocessing): string =>
  sha256(canonicalJson(preprocessing));

/** Names the 8-bit picture that the steps make, before scale and bias: models that only differ in these share it. */
export const geometryKey = ({ steps, height, width }: Preprocessing): string =>
  sha256(canonicalJson({ steps, height, width }));

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** JSON with the keys of every object in code-unit order. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
