import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Device } from "./device.ts";
import { NO_CUDA_PROVIDER, NO_VULKAN, type Failure } from "./failure.ts";
import { platformDevices, platformsOf } from "./platform-devices.ts";

/** Where obstacles are looked for; tests bring their own. */
export interface ProbedSystem {
  /** Node's names, such as `linux-x64`. */
  readonly platform: string;
  readonly env: NodeJS.ProcessEnv;
  /** The folder that holds /dev, /etc, /usr. */
  readonly root: string;
  /** Where onnxruntime's libraries are. */
  readonly runtimeFolder: string;
}

const thisSystem = (): ProbedSystem => {
  const { platform, arch, env } = process;
  const runtime = dirname(createRequire(import.meta.url).resolve("onnxruntime-node"));
  const runtimeFolder = join(runtime, "..", "bin", "napi-v6", platform, arch);
  return { platform: `${platform}-${arch}`, env, root: "/", runtimeFolder };
};

/**
 * What makes it certain, before anything is started, that a device cannot work. No obstacle doesn't mean that it works.
 * Takes a few looks at files, so that a machine without a card loses no time.
 */
export function findObstacle(device: Device, system: ProbedSystem = thisSystem()): Failure | null {
  const { platform } = system;
  if (!platformDevices(platform).includes(device)) {
    return { reason: `not on ${platform}: onnxruntime's package has it for ${platformsOf(device)}`, advice: null };
  }
  if (!platform.startsWith("linux-")) return null;
  if (device === "cuda") return cudaObstacle(system);
  return device === "webgpu" && !hasLibrary("libvulkan.so.1", system) ? NO_VULKAN : null;
}

function cudaObstacle({ root, runtimeFolder }: ProbedSystem): Failure | null {
  // /dev/dxg is how Windows lends its card to Linux (WSL)
  if (!["dev/nvidiactl", "dev/dxg"].some((file) => existsSync(join(root, file)))) {
    return {
      reason: "no card of NVIDIA's with a running driver (/dev/nvidiactl)",
      advice: "needs such a card and its driver; a container also needs to be given it (docker run --gpus all)",
    };
  }
  if (!existsSync(join(runtimeFolder, "libonnxruntime_providers_cuda.so"))) return NO_CUDA_PROVIDER;
  return null;
}

/** Folders that glibc looks into, whatever its cache says. */
const LIBRARY_FOLDERS = ["lib", "usr/lib", "lib64", "usr/lib64", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];

/** Whether the dynamic linker could find a library; true where that cannot be told. */
function hasLibrary(name: string, { env, root, runtimeFolder }: ProbedSystem): boolean {
  const named = (env.LD_LIBRARY_PATH ?? "").split(/[:;]/);
  const folders = [...named, runtimeFolder, ...LIBRARY_FOLDERS.map((folder) => join(root, folder))];
  if (folders.some((folder) => existsSync(join(folder, name)))) return true;
  try {
    return readFileSync(join(root, "etc/ld.so.cache")).includes(`${name}\0`);
  } catch {
    return true; // a linker without a cache may look elsewhere
  }
}
