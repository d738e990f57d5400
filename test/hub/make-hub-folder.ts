import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { HubSettingsInput } from "../../crawler/local-hub/start-local-hub.ts";
import { safetensorsBytes } from "./write-safetensors.ts";

export type RepositoryFiles = Readonly<Record<string, string | Uint8Array>>;

/** A temporary folder to be served by a hub. */
export interface HubFolderFixture extends AsyncDisposable {
  readonly root: string;
  /** Writes files of a repository: `org/name`, or `datasets/org/name`. */
  write(id: string, files: RepositoryFiles): Promise<void>;
}

export async function makeHubFolder(
  repositories: Readonly<Record<string, RepositoryFiles>> = {},
  settings?: HubSettingsInput,
): Promise<HubFolderFixture> {
  const root = await mkdtemp(path.join(tmpdir(), "hub-folder-"));
  async function write(id: string, files: RepositoryFiles): Promise<void> {
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(root, id, name);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, content);
    }
  }
  for (const [id, files] of Object.entries(repositories)) await write(id, files);
  if (settings !== undefined) await writeFile(path.join(root, "hub.json"), JSON.stringify(settings));
  return { root, write, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}

/** The files of a small image model. Models with another seed have other weights. */
export function modelFiles(seed: number, card: string): RepositoryFiles {
  return {
    "README.md": `---\n${card}\n---\n\n# Model ${seed}\n`,
    "config.json": JSON.stringify({ architectures: ["ResNetForImageClassification"], model_type: "resnet", seed }),
    "model.safetensors": safetensorsBytes({ "stem.weight": [4, 3, 3, 3], "head.weight": [10, 4] }, seed),
    "onnx/notes.txt": `notes on ${seed}\n`,
  };
}

export const BASE = "acme/resnet-tiny";
export const TUNED = "zoo/resnet-tiny-birds";
export const GATED = "acme/resnet-tiny-gated";
export const PRIVATE = "acme/resnet-tiny-private";
export const MEMBER_TOKEN = "hf_member";
export const STRANGER_TOKEN = "hf_stranger";

/** A base model with three fine-tunes, one of them gated and one private, an adapter, another model and a data set. */
export function makeFamilyFolder(): Promise<HubFolderFixture> {
  const tuned = `license: mit\npipeline_tag: image-classification\nbase_model: ${BASE}`;
  return makeHubFolder(
    {
      [BASE]: modelFiles(1, "license: apache-2.0\ntags: [vision]\ndatasets: [imagenet-1k]\nlanguage: en"),
      [TUNED]: modelFiles(2, tuned),
      [GATED]: modelFiles(3, tuned),
      [PRIVATE]: modelFiles(4, tuned),
      "zoo/resnet-tiny-lora": modelFiles(5, `base_model: [${BASE}]\nbase_model_relation: adapter`),
      "zoo/other": { "README.md": "no front matter", "weights/pytorch_model.bin": Buffer.alloc(2000, 7) },
      "datasets/acme/birds": {
        "README.md": "---\nlicense: mit\ntask_categories: [image-classification]\n---\n",
        "data/train-00000-of-00001.parquet": Buffer.alloc(3000, 9),
      },
    },
    {
      repositories: {
        [BASE]: { downloads: 900, likes: 9, lastModified: "2024-01-01T00:00:00Z", createdAt: "2023-01-01T00:00:00Z" },
        [TUNED]: { downloads: 50, likes: 30, lastModified: "2024-03-01T00:00:00Z", tags: ["autotrain"] },
        [GATED]: { gated: "manual", downloads: 70 },
        [PRIVATE]: { private: true, downloads: 60 },
      },
      tokens: {
        [MEMBER_TOKEN]: { name: "member", mayRead: [GATED, PRIVATE] },
        [STRANGER_TOKEN]: { name: "stranger" },
      },
    },
  );
}
