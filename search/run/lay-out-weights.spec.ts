import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { BlockGraph } from "../../crawler/export/graph.ts";
import { blockWeights } from "../../crawler/export/fused-slots.ts";
import { laidOutPlaces, WeightLayouter } from "./lay-out-weights.ts";

const stored: BlockGraph = {
  inputs: ["x"],
  slots: [[16, 16, 1, 1], [16]],
  nodes: [
    { operator: "conv", inputs: [0], slots: [0, 1], attributes: { stride: 1, padding: 0, dilation: 1, groups: 1 } },
  ],
  output: 1,
};
const weights = [{ kind: "blockedWeight", slot: 0, norm: null }] as const;
const values = Float32Array.from({ length: 16 * 16 + 16 }, (_, index) => index - 100);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "alsatian-layout-"));
  await writeFile(join(folder, "stored.bin"), values);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const job = (to: string) => ({ from: join(folder, "stored.bin"), to: join(folder, to), stored, weights, channels: 16 });

it("writes what a convolution reads, by the layout of its graph", async () => {
  new WeightLayouter().layOut(job("out.bin"));
  const file = await readFile(join(folder, "out.bin"));
  expect(file.byteLength).toBe(laidOutPlaces({ stored, weights }).bytes);
  const expected = new Float32Array(16 * 16);
  blockWeights(
    values.subarray(0, 256),
    { out: 16, in: 16, kernel: 1 },
    new Float32Array(16).fill(1),
    expected,
    [16, 16],
  );
  expect(new Float32Array(Uint8Array.from(file).buffer)).toEqual(expected);
});

it("leaves a file that is there as it is, and none where the stored weights are too short", async () => {
  const layouter = new WeightLayouter();
  await writeFile(join(folder, "there.bin"), "there");
  layouter.layOut(job("there.bin"));
  expect(await readFile(join(folder, "there.bin"), "utf8")).toBe("there");
  await writeFile(join(folder, "stored.bin"), values.subarray(0, 100));
  expect(() => layouter.layOut(job("out.bin"))).toThrow(/stored\.bin/);
  expect((await readdir(folder, { recursive: true })).sort()).toEqual(["stored.bin", "there.bin"]);
});
