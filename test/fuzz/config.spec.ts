import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { architectures } from "../../crawler/export/registry.ts";
import { inspectModel } from "../../crawler/inspect-model.ts";
import { openLocalRepository } from "../../crawler/local-repository.ts";
import type { Repository } from "../../crawler/repository.ts";
import { loadGoldenIndex } from "../golden/golden-index.ts";
import { headerOnly } from "../export/header-only.ts";
import { fuzzSettings, mutated, oddJson, refusalOf } from "./fuzz.ts";

/** A repository in memory, so that thousands of variants of it are quick. */
async function loadRepository(folder: string): Promise<Map<string, Uint8Array>> {
  const repository = await openLocalRepository(folder);
  const files = await repository.listFiles();
  return new Map(await Promise.all(files.map(async ({ path }) => [path, await readFile(join(folder, path))] as const)));
}

function memoryRepository(files: ReadonlyMap<string, Uint8Array>): Repository {
  const get = (path: string) => files.get(path) ?? new Uint8Array();
  return {
    id: "acme/fuzz",
    revision: "0".repeat(40),
    listFiles: () =>
      Promise.resolve(
        [...files].map(([path, { byteLength: size }]) => ({ path, size, sha256: null, etag: null, xetHash: null })),
      ),
    readFile: (path) => Promise.resolve(get(path)),
    async *readRange(path, begin, end) {
      yield await Promise.resolve(get(path).subarray(begin, end));
    },
  };
}

async function outcome(files: ReadonlyMap<string, Uint8Array>): Promise<string> {
  try {
    const { export: plan } = await inspectModel(memoryRepository(files), { includePickle: true });
    if (plan instanceof Error) return refusalOf(plan);
    for (const block of plan.backbone.blocks) expect(block.tensors.length).toBe(block.graph.slots.length);
    return "read";
  } catch (cause) {
    return refusalOf(cause);
  }
}

const entries = (await loadGoldenIndex()).filter(({ folder }) => folder.includes("fixtures"));
const repositories = await Promise.all(
  entries.map(async ({ id, folder }) => ({ id, files: await loadRepository(join(folder, "hub", id)) })),
);
const SETTINGS = ["config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"];

describe("inspectModel", () => {
  it.each(repositories)("reads $id as it is", async ({ files }) => {
    expect(await outcome(files)).toBe("read");
  });

  it.each(repositories)("reads or refuses $id, whatever its settings say", async ({ files }) => {
    const variants = SETTINGS.filter((path) => files.has(path)).map((path) =>
      mutated(JSON.parse(Buffer.from(files.get(path) ?? []).toString())).map((json) => ({ path, json })),
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(...variants), async ({ path, json }) => {
        await outcome(new Map([...files, [path, Buffer.from(JSON.stringify(json) ?? "")]]));
      }),
      fuzzSettings(1 / repositories.length),
    );
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });

  it.each(architectures)("$name: refuses settings of any kind", ({ modelTypes, build }) => {
    const [type = ""] = modelTypes;
    const name = type.startsWith("timm:")
      ? { architecture: type.slice(5).replace("*", "_tiny_patch16_224") }
      : { model_type: type };
    const keys = fc.constantFrom(
      ...["hidden_size", "hidden_sizes", "depths", "num_hidden_layers", "num_attention_heads", "image_size"],
      ...["patch_size", "patch_sizes", "strides", "num_heads", "embed_dim", "window_size", "sr_ratios", "mlp_ratio"],
      ...["vision_config", "encoder", "backbone", "backbone_config", "model_args", "width_coefficient", "kernel_sizes"],
      ...["depth_multiplier", "num_block_repeats", "expand_ratios", "layer_type", "hidden_act", "out_features"],
    );
    fc.assert(
      fc.property(fc.dictionary(keys, oddJson(), { maxKeys: 12 }), (config) => {
        try {
          build(headerOnly({ "a.weight": [1] }), { ...config, ...name });
        } catch (cause) {
          refusalOf(cause);
        }
      }),
      fuzzSettings(1 / architectures.length),
    );
  });
});
