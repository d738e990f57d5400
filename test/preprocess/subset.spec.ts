import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { decodeImage } from "../../search/data/decode-image.ts";
import { parsePreprocessorConfig } from "../../crawler/preprocessing/parse-preprocessor-config.ts";
import { preprocessImage } from "../../search/data/preprocess-image.ts";
import { levelError } from "./level-error.ts";

const subset = fileURLToPath(new URL("../../../test/preprocess/subset/", import.meta.url));
const processors: Record<string, unknown> = JSON.parse(readFileSync(`${subset}processors.json`, "utf8"));
const pictures = readdirSync(`${subset}images`).sort();
const expected = readFileSync(`${subset}expected.u8`);

/** Every fourth row and column from the third on, of uint8 [3, height, width]. */
function sample(levels: Uint8Array, height: number, width: number): number[] {
  const grid: number[] = [];
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 2; y < height; y += 4) {
      for (let x = 2; x < width; x += 4) grid.push(levels[(channel * height + y) * width + x] ?? NaN);
    }
  }
  return grid;
}

describe("preprocessing, to the level", () => {
  let at = 0;
  for (const [name, config] of Object.entries(processors).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const { preprocessing } = parsePreprocessorConfig(config, { modelType: "" });
    const { height, width } = preprocessing;
    const length = 3 * Math.ceil((height - 2) / 4) * Math.ceil((width - 2) / 4);
    for (const picture of pictures) {
      const wanted = expected.subarray(at, (at += length));
      it(`${name}: ${picture}`, async () => {
        const image = await decodeImage(readFileSync(`${subset}images/${picture}`));
        const got = sample(preprocessImage(image, preprocessing), height, width);
        // Lossy formats leave room for another decoder build; everything else is exact.
        const error = levelError(got, wanted);
        expect(error.max).toBeLessThanOrEqual(picture.endsWith(".jpg") || picture.endsWith(".webp") ? 3 : 0);
        expect(error.mean).toBeLessThanOrEqual(0.5);
      });
    }
  }

  it("covers every expected value", () => expect(at).toBe(expected.length));
});
