import { describe, expect, it } from "vitest";
import { CUDA_COMMAND } from "./cuda-command.ts";
import { explainFailure } from "./explain-failure.ts";

const cannotLoad = (library: string, cause: string): string =>
  `2026-01-01 [E:onnxruntime:Default, provider_bridge_ort.cc:2195 TryGetProviderInfo_CUDA] /onnxruntime_src/onnxruntime/core/session/provider_bridge_ort.cc:1778 onnxruntime::Provider& onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library ${library} with error: ${cause}: cannot open shared object file: No such file or directory`;
const cudaCall = (failure: string): string =>
  `/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:122 std::conditional_t<THRW, void, onnxruntime::common::Status> onnxruntime::CudaCall(ERRTYPE, const char*) ${failure} ; GPU=-1 ; hostname=box ; file=/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider.cc ; line=336 ; expr=cudaSetDevice(info_.device_id);`;
const NO_ADAPTER =
  "/onnxruntime_src/onnxruntime/core/providers/webgpu/webgpu_context.cc:136 onnxruntime::webgpu::WebGpuContext::Initialize(const onnxruntime::webgpu::WebGpuContextConfig&)::<lambda()> adapter_result.status == wgpu::RequestAdapterStatus::Success was false. Failed to get a WebGPU adapter: No supported adapters\n";
const APPEND_CUDA = "OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library";

/** Texts of onnxruntime 1.30 as it wrote them here, and of cards as its issues quote them. */
describe("explainFailure", () => {
  it.each([
    [
      "no Vulkan loader",
      NO_ADAPTER,
      "Warning: Couldn't load Vulkan: libvulkan.so.1: cannot open shared object file: No such file or directory\n    at operator() (/build/dawn/native/vulkan/BackendVk.cpp:368)",
      /no Vulkan loader/,
      /install the Vulkan loader/,
    ],
    [
      "a Vulkan loader without a driver",
      NO_ADAPTER,
      "Warning: vkCreateInstance: Found no drivers!\nWarning: vkCreateInstance failed with VK_ERROR_INCOMPATIBLE_DRIVER",
      /loader found no driver/,
      /Vulkan driver/,
    ],
    ["no adapter", NO_ADAPTER, "", /no card that WebGPU can use/, /Vulkan, Direct3D 12 or Metal/],
    [
      "no float16",
      "Non-zero status code returned while running Cast node. Name:'x/float16' Status Message: shader_helper.cc:416 GenerateSourceCode Program Cast requires f16 but the device does not support it.",
      "",
      /no float16 \(shader-f16\)/,
      /--precision fp32/,
    ],
    [
      "no provider library",
      APPEND_CUDA,
      cannotLoad("/a/b/libonnxruntime_providers_shared.so", "/a/b/libonnxruntime_providers_shared.so"),
      /CUDA library is not installed/,
      CUDA_COMMAND,
    ],
    [
      "no cuDNN",
      APPEND_CUDA,
      cannotLoad("libonnxruntime_providers_cuda.so", "libcudnn.so.9"),
      /a library of CUDA is missing \(libcudnn\.so\.9\)/,
      /CUDA 12 and cuDNN 9/,
    ],
    [
      "no cuBLAS",
      APPEND_CUDA,
      cannotLoad("libonnxruntime_providers_cuda.so", "libcublasLt.so.12"),
      /missing \(libcublasLt\.so\.12\)/,
      /CUDA 12 and cuDNN 9/,
    ],
    [
      "no cuBLAS of a newer CUDA",
      APPEND_CUDA,
      cannotLoad("libonnxruntime_providers_cuda.so", "libcublasLt.so.13"),
      /missing \(libcublasLt\.so\.13\)/,
      /CUDA 13 and cuDNN 9/,
    ],
    [
      "no driver library",
      APPEND_CUDA,
      cannotLoad("libonnxruntime_providers_cuda.so", "libcuda.so.1"),
      /NVIDIA's driver is missing/,
      /install NVIDIA's driver/,
    ],
    [
      "a driver too old",
      cudaCall("CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version"),
      "",
      /driver is too old for CUDA 12/,
      /525 or later/,
    ],
    [
      "no card",
      cudaCall("CUDA failure 100: no CUDA-capable device is detected"),
      "",
      /CUDA sees no card/,
      /CUDA_VISIBLE_DEVICES/,
    ],
    [
      "a card too old",
      cudaCall("CUDA failure 209: no kernel image is available for execution on the device"),
      "",
      /card is too old/,
      null,
    ],
    [
      "memory full, as CUDA says it",
      cudaCall("CUDA failure 2: out of memory"),
      "",
      /memory is full/,
      /end what else uses it/,
    ],
    [
      "memory full, as the arena says it",
      "/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 67471254",
      "",
      /memory is full/,
      /end what else uses it/,
    ],
    [
      "memory full, as WebGPU says it",
      "the run failed",
      "[E:onnxruntime:Default, webgpu_context.cc:120 operator()] WebGPU device error(2): Out of memory",
      /memory is full/,
      /end what else uses it/,
    ],
    [
      "a device that the build has not",
      "no available backend found. ERR: [dml] backend not found.",
      "",
      /this onnxruntime has no dml/,
      null,
    ],
    [
      "an operator that the device has not",
      "This session contains graph nodes that are assigned to the default CPU EP, but fallback to CPU EP has been explicitly disabled by the user.",
      "",
      /cannot run every operator/,
      null,
    ],
    ["wrong values", "wrong values: they are not those of the CPU", "", /^wrong values/, null],
    ["no text at all", " \n", "something else", /gives no reason/, null],
  ] as const)("%s", (_name, error, chatter, reason, advice) => {
    const failure = explainFailure(error, chatter);
    expect(failure.reason).toMatch(reason);
    if (advice === null) expect(failure.advice).toBeNull();
    else if (typeof advice === "string") expect(failure.advice).toBe(advice);
    else expect(failure.advice).toMatch(advice);
  });

  it.each([
    ["/home/someone/project/core.cc:12 broke at /tmp/x/y.json\nat line 2", "core.cc:12 broke at y.json"],
    ["D:\\a\\_work\\core.cc:12 broke", "core.cc:12 broke"],
    ["1/2 of it, and/or more", "1/2 of it, and/or more"],
  ])("leaves the first line of an unknown error without paths: %s", (error, reason) => {
    expect(explainFailure(error)).toEqual({ reason, advice: null });
  });

  it("bounds an unknown error", () => {
    expect(explainFailure("x".repeat(5000)).reason).toHaveLength(201);
  });
});
