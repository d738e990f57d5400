import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

// Loaded before a command (`node --import`), it makes the machine look as if it had one card of NVIDIA's: a driver, onnxruntime's
// library, and a CUDA that is what FAKE_CARD says: "works" (the CPU does its work) or the message that it fails with.

const exists = fs.existsSync;
fs.existsSync = (path) => /nvidiactl$|libonnxruntime_providers_cuda\.so$/.test(String(path)) || exists(path);
syncBuiltinESMExports();

if (process.argv[1]?.endsWith("probe-process.js")) {
  const { default: ort } = await import("onnxruntime-node");
  const sessions = ort.InferenceSession as unknown as {
    create: (model: Uint8Array, options: { readonly executionProviders?: readonly string[] }) => Promise<unknown>;
  };
  const create = sessions.create.bind(sessions);
  const card = process.env["FAKE_CARD"] ?? "works";
  sessions.create = (model, options) => {
    if (options.executionProviders?.[0] !== "cuda") return create(model, options);
    return card === "works" ? create(model, { executionProviders: ["cpu"] }) : Promise.reject(new Error(card));
  };
}
