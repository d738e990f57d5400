import { describe, expect, it } from "vitest";
import { safetensorsBytes } from "../../test/hub/write-safetensors.ts";
import { torchFixture } from "../../test/torch/memory-file.ts";
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import type { Repository } from "../repository.ts";
import { openCheckpoint, PICKLE_ONLY_REASON } from "./open-checkpoint.ts";

const repositoryOf = (files: Readonly<Record<string, Uint8Array>>): Repository => ({
  id: "acme/test",
  revision: "0".repeat(40),
  listFiles: () =>
    Promise.resolve(
      Object.entries(files).map(([path, bytes]) => ({
        path,
        size: bytes.byteLength,
        sha256: null,
        etag: null,
        xetHash: null,
      })),
    ),
  readFile: (path) => Promise.resolve(files[path] ?? new Uint8Array(0)),
  async *readRange(path, begin, end) {
    yield await Promise.resolve((files[path] ?? new Uint8Array(0)).slice(begin, end));
  },
});

async function open(files: Readonly<Record<string, Uint8Array>>, includePickle?: boolean) {
  const repository = repositoryOf(files);
  return openCheckpoint(repository, await repository.listFiles(), { includePickle });
}

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const torch = torchFixture("zip.bin");

describe("openCheckpoint", () => {
  it("prefers safetensors, whether or not .bin files may be read", async () => {
    const files = { "pytorch_model.bin": torch, "model.safetensors": safetensorsBytes({ a: [2] }) };
    for (const includePickle of [false, true])
      expect([...(await open(files, includePickle)).tensors.keys()]).toEqual(["a"]);
  });

  it("reads .bin files only when asked to, and says how to ask", async () => {
    const error: unknown = await open({ "pytorch_model.bin": torch }).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(UnsupportedModelError);
    expect((error as Error).message).toBe(PICKLE_ONLY_REASON);
    const { tensors, files } = await open({ "pytorch_model.bin": torch }, true);
    expect(files).toEqual(["pytorch_model.bin"]);
    expect(tensors.get("linear.weight")).toMatchObject({ file: "pytorch_model.bin", dtype: "F32", shape: [3, 4] });
  });

  it("reads .bin files in shards of either format", async () => {
    const index = json({ metadata: {}, weight_map: { w: "b.bin", "linear.weight": "a.bin" } });
    const files = { "pytorch_model.bin.index.json": index, "a.bin": torch, "b.bin": torchFixture("untyped.bin") };
    expect((await open(files, true)).files).toEqual(["a.bin", "b.bin"]);
    const twice = { ...files, "b.bin": torchFixture("legacy.bin") };
    await expect(open(twice, true)).rejects.toThrow(/tensor ".+" is in both a\.bin and b\.bin/);
  });

  it("names the file that is damaged", async () => {
    const cut = { "pytorch_model.bin": torch.subarray(0, 1000) };
    await expect(open(cut, true)).rejects.toThrow(/^pytorch_model\.bin: .*cut off/);
    await expect(open(cut, true)).rejects.toBeInstanceOf(CheckpointError);
  });
});
