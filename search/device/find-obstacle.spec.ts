import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CUDA_COMMAND } from "./cuda-command.ts";
import type { Device } from "./device.ts";
import { findObstacle } from "./find-obstacle.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "alsatian-root-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function withFiles(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(root, path, ".."), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

const look = (device: Device, platform = "linux-x64", env: NodeJS.ProcessEnv = {}) =>
  findObstacle(device, { platform, env, root, runtimeFolder: join(root, "runtime") });

describe("findObstacle", () => {
  it.each([
    ["cuda", "win32-x64", /Linux on x64/],
    ["cuda", "linux-arm64", /Linux on x64/],
    ["webgpu", "linux-arm64", /Windows, and macOS/],
    ["dml", "linux-x64", /Windows/],
    ["coreml", "win32-x64", /macOS/],
  ] as const)("%s is not tried on %s", (device, platform, where) => {
    expect(look(device, platform)?.reason).toMatch(`not on ${platform}`);
    expect(look(device, platform)?.reason).toMatch(where);
  });

  it.each([
    ["cpu", "linux-x64"],
    ["webgpu", "win32-arm64"],
    ["webgpu", "darwin-arm64"],
    ["dml", "win32-x64"],
    ["coreml", "darwin-arm64"],
  ] as const)("%s is tried on %s", (device, platform) => {
    expect(look(device, platform)).toBeNull();
  });

  it("CUDA needs a driver first", async () => {
    await withFiles({ "runtime/libonnxruntime_providers_cuda.so": "" });
    expect(look("cuda")?.reason).toMatch("/dev/nvidiactl");
  });

  it.each(["dev/nvidiactl", "dev/dxg"])("CUDA needs onnxruntime's library then: one command (%s)", async (file) => {
    await withFiles({ [file]: "" });
    expect(look("cuda")).toMatchObject({ advice: CUDA_COMMAND });
    await withFiles({ "runtime/libonnxruntime_providers_cuda.so": "" });
    expect(look("cuda")).toBeNull();
  });

  it("WebGPU needs the Vulkan loader", async () => {
    await withFiles({ "etc/ld.so.cache": "libz.so.1\0libvulkan.so.10\0" });
    expect(look("webgpu")?.reason).toMatch("libvulkan.so.1");
  });

  it.each([
    ["the linker's cache", { "etc/ld.so.cache": "glibc-ld.so.cache1.1\0libvulkan.so.1\0/usr/lib/libvulkan.so.1\0" }],
    ["a folder that the linker always looks into", { "usr/lib64/libvulkan.so.1": "", "etc/ld.so.cache": "" }],
    ["LD_LIBRARY_PATH", { "own/libvulkan.so.1": "", "etc/ld.so.cache": "" }],
    ["a linker without a cache, which cannot be told", {}],
  ])("WebGPU is tried with %s", async (_name, files) => {
    await withFiles(files);
    expect(look("webgpu", "linux-x64", { LD_LIBRARY_PATH: `/nowhere:${join(root, "own")}` })).toBeNull();
  });
});
