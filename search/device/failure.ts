import { CUDA_COMMAND } from "./cuda-command.ts";

/** Why a device does not work, and what would help where that is known. */
export interface Failure {
  readonly reason: string;
  readonly advice: string | null;
}

export const NO_VULKAN: Failure = {
  reason: "no Vulkan loader (libvulkan.so.1)",
  advice: "install the Vulkan loader and the card's Vulkan driver (Debian, Ubuntu: libvulkan1 and mesa-vulkan-drivers)",
};

export const NO_CUDA_PROVIDER: Failure = {
  reason: "onnxruntime's CUDA library is not installed (libonnxruntime_providers_cuda.so)",
  advice: CUDA_COMMAND,
};
