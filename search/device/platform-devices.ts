import { DEVICES, type Device } from "./device.ts";

/** For which platforms onnxruntime's package for Node (1.30) has a device, in Node's names. CUDA's library comes apart. */
const PLATFORMS: Readonly<Record<Device, { readonly on: readonly string[]; readonly words: string }>> = {
  cpu: { on: ["linux-x64", "linux-arm64", "win32-x64", "win32-arm64", "darwin-arm64"], words: "everywhere" },
  cuda: { on: ["linux-x64"], words: "Linux on x64" },
  webgpu: {
    on: ["linux-x64", "win32-x64", "win32-arm64", "darwin-arm64"],
    words: "Linux on x64, Windows, and macOS on Apple silicon",
  },
  dml: { on: ["win32-x64", "win32-arm64"], words: "Windows" },
  coreml: { on: ["darwin-arm64"], words: "macOS on Apple silicon" },
};

/** Devices that can be tried on a platform, such as `linux-x64`; whether they work is another question. */
export const platformDevices = (platform: string): Device[] =>
  DEVICES.filter((device) => PLATFORMS[device].on.includes(platform));

/** The platforms that have a device, in words. */
export const platformsOf = (device: Device): string => PLATFORMS[device].words;
