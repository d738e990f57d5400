import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import type { Preprocessing } from "../../crawler/preprocessing/preprocessing.ts";
import { tokenizerHash } from "../../crawler/text/canonical-tokenizer.ts";
import type { TextPreprocessing } from "../../crawler/text/text-preprocessing.ts";
import { storeTokenizer } from "../../indexer/store/store-tokenizer.ts";
import type { DataSet } from "../../search/data/data-set.ts";
import { loadDataSet } from "../../search/data/load-data-set.ts";
import { seededRandom } from "../../search/shuffle.ts";
import { BERT_VOCABULARY } from "./fake-checkpoint.ts";

export interface DataOptions {
  readonly home: string;
  readonly train: number;
  readonly test: number;
  readonly seed: number;
}

/** A data set on disk, read as the CLI reads one, and what models do to its items. */
export interface BenchData {
  readonly dataSet: DataSet;
  readonly preprocessing: Preprocessing | TextPreprocessing;
}

const CLASSES = 4;

/** Which class an item is of: each class gets as many, in turn. */
const classOf = (index: number): number => index % CLASSES;

/** Noise, tinted by its class: linear models tell most of them apart, not all. */
export async function makePictures(options: DataOptions & { readonly imageSize: number }): Promise<BenchData> {
  const { home, train, test, seed, imageSize } = options;
  const folder = join(home, "data", "pictures");
  const random = seededRandom(seed + 2);
  for (const [part, count] of Object.entries({ train, test })) {
    for (let name = 0; name < CLASSES; name++) await mkdir(join(folder, part, `class${name}`), { recursive: true });
    for (let index = 0; index < count; index++) {
      const tint = Array.from(
        { length: 3 },
        (_, channel) => 8 * ((classOf(index) >> (channel % 2)) & 1) + 60 * random(),
      );
      const pixels = new Uint8Array(3 * imageSize * imageSize);
      for (let at = 0; at < pixels.length; at++) pixels[at] = (tint[at % 3] ?? 0) + 180 * random();
      const path = join(folder, part, `class${classOf(index)}`, `${String(index).padStart(5, "0")}.png`);
      await sharp(pixels, { raw: { width: imageSize, height: imageSize, channels: 3 } })
        .png({ compressionLevel: 1 })
        .toFile(path);
    }
  }
  return { dataSet: await loadDataSet({ path: folder, seed, home }), preprocessing: plainPicture(imageSize) };
}

/** Values from 0 to 1, and the size that the pictures have. */
function plainPicture(size: number): Preprocessing {
  const crop = { kind: "crop", height: size, width: size, odd: "torchvision", fill: [0, 0, 0] } as const;
  return {
    steps: [crop],
    height: size,
    width: size,
    scale: [1 / 255, 1 / 255, 1 / 255],
    bias: [0, 0, 0],
  };
}

/** Words of a text: short ones as tweets, long ones as a paragraph. */
const WORDS = { least: 8, most: 64 };
const MAX_TOKENS = 128;

/** Random words of a vocabulary as large as BERT's, one token each; a few words are more likely in one class. */
export async function makeTexts({ home, train, test, seed }: DataOptions): Promise<BenchData> {
  const folder = join(home, "data", "texts");
  await mkdir(folder, { recursive: true });
  const random = seededRandom(seed + 3);
  for (const [part, count] of Object.entries({ train, test })) {
    const rows = Array.from({ length: count }, (_, index) => {
      const words = WORDS.least + Math.floor(random() * (WORDS.most - WORDS.least + 1));
      const word = () => (random() < 0.2 ? 1 + classOf(index) : 1 + Math.floor(random() * (BERT_VOCABULARY - 1)));
      return `${Array.from({ length: words }, () => `w${word()}`).join(" ")},class${classOf(index)}`;
    });
    await writeFile(join(folder, `${part}.csv`), ["text,label", ...rows, ""].join("\n"));
  }
  const dataSet = await loadDataSet({ path: join(folder, "train.csv"), test: join(folder, "test.csv"), seed, home });
  return { dataSet, preprocessing: await makeTokenizer(home) };
}

async function makeTokenizer(home: string): Promise<TextPreprocessing> {
  const vocab = Object.fromEntries(
    Array.from({ length: BERT_VOCABULARY }, (_, id) => [id === 0 ? "[UNK]" : `w${id}`, id]),
  );
  const tokenizerJson = JSON.stringify({
    version: "1.0",
    added_tokens: [],
    pre_tokenizer: { type: "Whitespace" },
    model: { type: "WordLevel", unk_token: "[UNK]", vocab },
  });
  const preprocessing: TextPreprocessing = {
    kind: "text",
    tokenizer: tokenizerHash(tokenizerJson),
    maxTokens: MAX_TOKENS,
    cutSide: "right",
    padId: 0,
  };
  await storeTokenizer(join(home, "store"), { preprocessing, assumed: [], tokenizerJson });
  return preprocessing;
}
