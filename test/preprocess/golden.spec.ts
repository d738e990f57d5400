import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { parseSafetensorsHeader } from "../../crawler/checkpoint/safetensors-header.ts";
import { decodeImage } from "../../search/data/decode-image.ts";
import { parsePreprocessorConfig } from "../../crawler/preprocessing/parse-preprocessor-config.ts";
import { preprocessImage } from "../../search/data/preprocess-image.ts";
import { levelError, TOLERANCE, type LevelError } from "./level-error.ts";

/** Every processor on every picture, against what the reference image processors make of them. */
const goldens = fileURLToPath(new URL("../../../../shared/preprocess-golden/", import.meta.url));
const here = existsSync(goldens);
if (!here) console.info(`skipped: no preprocessing references at ${goldens}`);

interface Expected {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

function readExpected(path: string): Map<string, Expected> {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const entries = parseSafetensorsHeader(file.subarray(8, 8 + length), file.length);
  return new Map(
    entries.map(({ name, shape, begin, end }) => [
      name,
      { shape, values: new Float32Array(new Uint8Array(file.subarray(begin, end)).buffer) },
    ]),
  );
}

describe.skipIf(!here)("preprocessing matches the reference processors", () => {
  const table: Record<string, LevelError & { pictures: number }> = {};

  for (const processor of here ? readdirSync(join(goldens, "processors")).sort() : []) {
    const folder = join(goldens, "processors", processor);
    it(processor, async () => {
      const config: unknown = JSON.parse(readFileSync(join(folder, "preprocessor_config.json"), "utf8"));
      const { preprocessing } = parsePreprocessorConfig(config, { modelType: "" });
      const { scale, bias, height, width } = preprocessing;
      const expected = readExpected(join(folder, "expected.safetensors"));
      const total = { mean: 0, max: 0, pictures: 0 };
      for (const [picture, { shape, values }] of expected) {
        const image = await decodeImage(readFileSync(join(goldens, "images", picture)));
        const levels = preprocessImage(image, preprocessing);
        expect(shape, picture).toEqual([3, height, width]);
        const plane = height * width;
        const expectedLevels = values.map((value, i) => {
          const channel = Math.floor(i / plane);
          return (value - (bias[channel] ?? NaN)) / (scale[channel] ?? NaN);
        });
        const { mean, max } = levelError(levels, expectedLevels);
        expect(mean, `${picture}: mean`).toBeLessThanOrEqual(TOLERANCE.mean);
        expect(max, `${picture}: maximum`).toBeLessThanOrEqual(TOLERANCE.max);
        total.mean = Math.max(total.mean, mean);
        total.max = Math.max(total.max, max);
        total.pictures++;
      }
      expect(total.pictures).toBeGreaterThan(0);
      table[processor] = {
        mean: Number(total.mean.toFixed(5)),
        max: Number(total.max.toFixed(4)),
        pictures: total.pictures,
      };
    });
  }

  afterAll(() => {
    console.info("levels of 255, the worst of all pictures:");
    console.table(table);
  });
});
