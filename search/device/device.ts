import type ort from "onnxruntime-node";

/** Where inference can run: names of onnxruntime's execution providers, as `--device` takes them. */
export const DEVICES = ["cpu", "cuda", "webgpu", "dml", "coreml"] as const;
export type Device = (typeof DEVICES)[number];

/**
 * Whether results can stay in the device's memory between graphs. onnxruntime's binding for Node holds such tensors for
 * WebGPU alone (`gpu-buffer`, js/node/src/tensor_helper.cc); on the others results come back to the host after each graph.
 */
export const keepsResults = (device: Device): boolean => device === "webgpu";

/** What a session takes to run on a device. @param stay whether its results stay there; only where `keepsResults` */
export const sessionOn = (
  device: Device,
  stay = false,
): Pick<
  ort.InferenceSession.SessionOptions,
  "executionProviders" | "preferredOutputLocation" | "enableMemPattern"
> => ({
  executionProviders: [device],
  // DirectML's documentation: memory patterns are not supported
  ...(device === "dml" && { enableMemPattern: false }),
  ...(stay && { preferredOutputLocation: "gpu-buffer" as const }),
});
