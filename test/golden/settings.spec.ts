import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CheckpointError, UnsupportedModelError } from "../../crawler/errors.ts";
import type { PictureSize } from "../../crawler/export/architecture.ts";
import { canonicalGraph, type Backbone } from "../../crawler/export/graph.ts";
import { getArchitecture } from "../../crawler/export/registry.ts";
import { inspectModel } from "../../crawler/inspect-model.ts";
import { openLocalRepository } from "../../crawler/local-repository.ts";
import { packageFile } from "../../crawler/package-file.ts";

/** Builds a model that ships with the tests after some of its settings were changed. */
async function build(name: string, changed: Record<string, unknown>, size?: PictureSize): Promise<Backbone> {
  const folder = packageFile("test", "golden", "fixtures", "hub", "acme-odd", name);
  const { checkpoint } = await inspectModel(await openLocalRepository(folder));
  if (!checkpoint) throw new Error(`${name} has no weights`);
  const stored: unknown = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
  const config = { ...(typeof stored === "object" ? stored : {}), ...changed };
  return getArchitecture(config).build(checkpoint, config, size);
}

describe("a configuration that contradicts the weights is refused:", () => {
  it.each([
    ["efficientnet-odd-sizes", { depth_coefficient: 1 }, "modules like"],
    ["efficientnet-odd-sizes", { expand_ratios: [1, 1, 4, 4] }, "expand_ratio of 1"],
    ["efficientnet-odd-sizes", { kernel_sizes: [3, 3, 3, 7] }, "config.json asks for"],
    ["segformer-odd-sizes", { depths: [1, 1, 1] }, "modules like"],
    ["segformer-odd-sizes", { patch_sizes: [7, 3, 3] }, "config.json asks for"],
    ["segformer-odd-sizes", { sr_ratios: [1, 2, 1] }, "sequence reduction of 1"],
    ["segformer-odd-sizes", { sr_ratios: [2, 2, 1] }, "config.json asks for"],
    ["segformer-odd-sizes", { num_attention_heads: [3, 1, 3] }, "3 heads"],
    ["swin-odd-sizes", { depths: [2, 2, 2] }, "modules like"],
    ["swin-odd-sizes", { window_size: 4 }, "a table of 49 offsets"],
    ["swin-odd-sizes", { qkv_bias: true }, "query.bias"],
    ["swin-odd-sizes", { patch_size: 2 }, "config.json asks for"],
    ["swin-odd-sizes", { mlp_ratio: 4 }, "config.json asks for"],
    ["swin-odd-sizes", { model_type: "swinv2" }, "logit_scale"],
    ["swinv2-odd-sizes", { num_heads: [2, 2, 4] }, "a factor a head"],
  ])("%s with %j", async (name, changed, message) => {
    const built = build(name, changed);
    await expect(built).rejects.toThrow(CheckpointError);
    await expect(built).rejects.toThrow(message);
  });
});

describe("a setting that is not covered is named:", () => {
  it.each([
    ["swin-odd-sizes", { use_absolute_embeddings: true }, "absolute position embeddings"],
    ["swin-odd-sizes", { patch_size: [4, 2] }, "square patches"],
    ["swin-odd-sizes", { hidden_act: "laplace" }, 'activation "laplace"'],
    ["swin-odd-sizes", { num_heads: [1, 2] }, "num_heads lacks stage 2"],
    ["efficientnet-odd-sizes", { strides: [2, 1, 3, 1] }, "strides of 1 and 2"],
    ["efficientnet-odd-sizes", { strides: [2, 1] }, "lists are not all of 4 stages"],
    ["segformer-odd-sizes", { depths: [1, 2, 100_000] }, "depths.2"],
  ])("%s with %j", async (name, changed, message) => {
    const built = build(name, changed);
    await expect(built).rejects.toThrow(UnsupportedModelError);
    await expect(built).rejects.toThrow(message);
  });
});

describe("the graphs do not depend on the size of the pictures:", () => {
  const graphsOf = ({ blocks }: Backbone) => blocks.map((block) => canonicalGraph(block.graph));

  it.each(["efficientnet-odd-sizes", "segformer-odd-sizes", "swin-odd-sizes", "swinv2-odd-sizes"])(
    "%s",
    async (name) => {
      const [small, large] = [
        await build(name, {}, { height: 33, width: 64 }),
        await build(name, {}, { height: 96, width: 81 }),
      ];
      expect(graphsOf(small)).toEqual(graphsOf(large));
    },
  );
});
