import type { ImageItem } from "./data-set.ts";
import { decodeImage } from "./decode-image.ts";
import { decodeSmallPng } from "./decode-small-png.ts";
import { preprocessImage } from "./preprocess-image.ts";
import type { Preprocessing } from "../../crawler/preprocessing/preprocessing.ts";
import { readItem, readItemBriefly } from "./read-item.ts";
import type { RgbImage } from "./rgb-image.ts";

/** What to do with one picture: prepare it, or (without preprocessing) only see whether it can be decoded. */
export interface Job {
  readonly index: number;
  readonly item: Pick<ImageItem, "path" | "range">;
}

/** `input`: uint8 [3, height, width], empty where nothing was to be prepared. */
export type Outcome =
  | { readonly index: number; readonly input: Uint8Array<ArrayBuffer> }
  | { readonly index: number; readonly reason: string };

/** Reads, decodes and prepares one picture. A bad picture is an outcome, not an error. */
export async function preprocessItem({ index, item }: Job, preprocessing: Preprocessing | undefined): Promise<Outcome> {
  try {
    return prepared(index, await decodeImage(readItem(item)), preprocessing);
  } catch (error) {
    return { index, reason: describe(error) };
  }
}

/** As `preprocessItem`, at once. @returns null for what is no small PNG that can be read: `preprocessItem` does the others */
export function preprocessSmallItem({ index, item }: Job, preprocessing: Preprocessing | undefined): Outcome | null {
  try {
    const image = decodeSmallPng(readItemBriefly(item));
    return image && prepared(index, image, preprocessing);
  } catch {
    return null;
  }
}

const prepared = (index: number, image: RgbImage, preprocessing: Preprocessing | undefined): Outcome => ({
  index,
  input: preprocessing ? preprocessImage(image, preprocessing) : new Uint8Array(0),
});

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ("code" in error && error.code === "ENOENT") return "no such file (or a broken link)";
  if ("code" in error && error.code === "EACCES") return "no permission to read it";
  return error.message;
}
