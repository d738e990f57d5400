import { NO_CUDA_PROVIDER, NO_VULKAN, type Failure } from "./failure.ts";

interface Pattern {
  readonly matches: RegExp;
  failure(found: RegExpExecArray): Failure;
}

/** CUDA's own libraries bear its number, which is that of the onnxruntime library; cuRAND and others count for themselves. */
const CUDA_NUMBER = /^lib(?:cublas|cublasLt|cudart)\.so\.(\d+)/;
const cudaLibraries = (missing: string): string =>
  `install CUDA ${CUDA_NUMBER.exec(missing)?.[1] ?? "12"} and cuDNN 9 (NVIDIA's packages), their folders in LD_LIBRARY_PATH`;

/** In this order: what is said first is the cause, and what follows may be its effect. */
const PATTERNS: readonly Pattern[] = [
  {
    matches: /\[(\w+)\] backend not found/,
    failure: ([, name]) => ({ reason: `this onnxruntime has no ${name ?? "such device"}`, advice: null }),
  },
  { matches: /Couldn't load Vulkan/, failure: () => NO_VULKAN },
  {
    matches: /VK_ERROR_INCOMPATIBLE_DRIVER|Found no drivers/,
    failure: () => ({
      reason: "the Vulkan loader found no driver",
      advice: "install the card's Vulkan driver (Debian, Ubuntu: mesa-vulkan-drivers, for NVIDIA's cards their own)",
    }),
  },
  {
    matches: /Failed to get a WebGPU adapter/,
    failure: () => ({
      reason: "no card that WebGPU can use",
      advice: "needs a card with a driver for Vulkan, Direct3D 12 or Metal; a newer driver may do",
    }),
  },
  {
    matches: /libonnxruntime_providers_\w+\.so: cannot open shared object file/,
    failure: () => NO_CUDA_PROVIDER,
  },
  {
    matches: /libcuda\.so[\w.]*: cannot open shared object file/,
    failure: () => ({ reason: "NVIDIA's driver is missing (libcuda.so.1)", advice: "install NVIDIA's driver" }),
  },
  {
    matches: /(lib(?:cu|nv)\w+\.so[\w.]*): cannot open shared object file/,
    failure: ([, library = ""]) => ({
      reason: `a library of CUDA is missing (${library})`,
      advice: cudaLibraries(library),
    }),
  },
  {
    matches: /CUDA driver version is insufficient|CUDA failure 35\b/,
    failure: () => ({
      reason: "NVIDIA's driver is too old for CUDA 12",
      advice: "install a newer driver: 525 or later for CUDA 12, 580 for CUDA 13 (nvidia-smi shows which there is)",
    }),
  },
  {
    matches: /no CUDA-capable device is detected|CUDA failure 100\b/,
    failure: () => ({
      reason: "CUDA sees no card",
      advice: "see what nvidia-smi lists, and whether CUDA_VISIBLE_DEVICES hides it",
    }),
  },
  {
    matches: /no kernel image is available/,
    failure: () => ({ reason: "the card is too old for onnxruntime's CUDA library", advice: null }),
  },
  {
    matches: /out of memory|Failed to allocate memory|CUBLAS_STATUS_ALLOC_FAILED|VK_ERROR_OUT_OF_DEVICE_MEMORY/i,
    failure: () => ({ reason: "its memory is full", advice: "end what else uses it" }),
  },
  {
    matches: /requires f16 but the device does not support it/,
    failure: () => ({ reason: "the card has no float16 (shader-f16)", advice: "--precision fp32" }),
  },
  {
    matches: /assigned to the default CPU EP/,
    failure: () => ({ reason: "it cannot run every operator of a small graph", advice: null }),
  },
];

/** Of an error that no pattern knows. */
const MOST_CHARACTERS = 200;

/**
 * Says in words why a device does not work.
 * @param error onnxruntime's message
 * @param chatter what its libraries wrote beside it
 */
export function explainFailure(error: string, chatter = ""): Failure {
  const text = `${error}\n${chatter}`;
  for (const { matches, failure } of PATTERNS) {
    const found = matches.exec(text);
    if (found) return failure(found);
  }
  return { reason: firstLine(error) || "onnxruntime gives no reason", advice: null };
}

/** Paths say more about the machine than about the error: their last part is left. */
const firstLine = (error: string): string => {
  const line = error.trim().split("\n")[0] ?? "";
  const bare = line.replace(/(?:\b[A-Za-z]:)?(?:[\\/][^\s\\/:;'"()]+)+[\\/](?=[^\s\\/])/g, "");
  return bare.length > MOST_CHARACTERS ? `${bare.slice(0, MOST_CHARACTERS)}…` : bare;
};
