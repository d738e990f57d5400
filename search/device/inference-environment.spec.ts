import { afterEach, describe, expect, it, vi } from "vitest";
import { haveSameEnvironment, inferenceEnvironment } from "./inference-environment.ts";

afterEach(() => vi.unstubAllEnvs());

describe("the environment of inference", () => {
  it("keeps NVIDIA's libraries at float32, in memory that is cleared", () => {
    vi.stubEnv("NVIDIA_TF32_OVERRIDE", undefined);
    vi.stubEnv("MALLOC_PERTURB_", undefined);
    expect(inferenceEnvironment("cuda")).toMatchObject({ NVIDIA_TF32_OVERRIDE: "0", MALLOC_PERTURB_: "255" });
  });

  it("leaves it to the user who says otherwise", () => {
    vi.stubEnv("NVIDIA_TF32_OVERRIDE", "1");
    expect(inferenceEnvironment("cuda")["NVIDIA_TF32_OVERRIDE"]).toBe("1");
  });

  it("costs other devices nothing", () => {
    vi.stubEnv("MALLOC_PERTURB_", undefined);
    expect(inferenceEnvironment("cpu")).not.toHaveProperty("MALLOC_PERTURB_");
    expect(haveSameEnvironment("cpu", "webgpu")).toBe(true);
    expect(haveSameEnvironment("cpu", "cuda")).toBe(false);
  });

  it("has everything else that the command has, but for what opens connections", () => {
    vi.stubEnv("CUDA_VISIBLE_DEVICES", "1");
    vi.stubEnv("NODE_EXTRA_CA_CERTS", "/certificates.pem");
    expect(inferenceEnvironment("cuda")).toMatchObject({ CUDA_VISIBLE_DEVICES: "1" });
    expect(inferenceEnvironment("cuda")).not.toHaveProperty("NODE_EXTRA_CA_CERTS");
  });
});
