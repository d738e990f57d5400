import { describe, expect, it } from "vitest";
import { describeDevice, type DeviceSources } from "./describe-device.ts";
import type { NvidiaGpu } from "./parse-nvidia-smi.ts";

const gpu = (name: string, free: number): NvidiaGpu => ({
  name,
  driver: "550.54",
  memory: { totalBytes: 100, freeBytes: free },
});

const machine = (gpus: readonly NvidiaGpu[], visible?: string): DeviceSources => ({
  listNvidiaGpus: () => Promise.resolve(gpus),
  listAmdMemory: () => Promise.resolve([{ totalBytes: 16, freeBytes: 8 }]),
  env: visible === undefined ? {} : { CUDA_VISIBLE_DEVICES: visible },
});

describe("describeDevice", () => {
  it("takes for CUDA the card with the least free memory, as it may be any of them", async () => {
    const sources = machine([gpu("NVIDIA A", 90), gpu("NVIDIA B", 40)]);
    expect(await describeDevice("cuda", null, { sources })).toEqual({
      name: "NVIDIA B",
      driver: "550.54",
      memory: { totalBytes: 100, freeBytes: 40 },
    });
  });

  it.each([
    ["0", "NVIDIA A"],
    ["1, 0", "NVIDIA B"],
    ["GPU-8932f937", "NVIDIA B"],
    ["7", null],
  ])("leaves out cards that CUDA_VISIBLE_DEVICES=%s hides", async (visible, name) => {
    const sources = machine([gpu("NVIDIA A", 90), gpu("NVIDIA B", 40)], visible);
    expect((await describeDevice("cuda", null, { sources })).name).toBe(name);
  });

  it.each([
    ["NVIDIA A", { totalBytes: 100, freeBytes: 90 }],
    ["NVIDIA C", null],
    ["AMD Radeon RX 6800 (RADV NAVI21)", { totalBytes: 16, freeBytes: 8 }],
    ["SwiftShader Device (Subzero)", null],
    ["Intel(R) Graphics (ADL GT2)", null],
    [null, null],
  ])("knows the memory of WebGPU's %s by its driver alone", async (adapter, memory) => {
    const sources = machine([gpu("NVIDIA A", 90)]);
    expect(await describeDevice("webgpu", adapter, { sources })).toMatchObject({ name: adapter, memory });
  });

  it("describes the processor by the machine's memory", async () => {
    const { name, memory } = await describeDevice("cpu", null);
    expect(name).toMatch(/\d+ cores$/);
    expect(memory?.totalBytes).toBeGreaterThanOrEqual(memory?.freeBytes ?? Infinity);
  });
});
