import ort from "onnxruntime-node";
import { sessionOn, type Device } from "../../search/device/device.ts";

export interface RunOptions {
  readonly device: Device;
  /** Whether the device must run every node itself; without it onnxruntime gives the CPU those that it cannot. */
  readonly alone?: boolean;
  /** Of the files with weights that a model in memory names. */
  readonly weightsFolder: string;
}

/** Opens a session for a model (a path, or its bytes), runs it once and closes it. */
export async function runOnce(
  model: string | Uint8Array,
  feeds: Readonly<Record<string, ort.Tensor>>,
  options: RunOptions,
): Promise<Readonly<Record<string, ort.Tensor>>> {
  const session = await open(model, options);
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** Whether a session for a model can be opened. */
export async function opens(model: Uint8Array, options: RunOptions): Promise<boolean> {
  const session = await open(model, options).catch(() => null);
  await session?.release();
  return session !== null;
}

function open(
  model: string | Uint8Array,
  { device, alone = false, weightsFolder }: RunOptions,
): Promise<ort.InferenceSession> {
  const settings = {
    ...(typeof model !== "string" && { model_external_initializers_file_folder_path: weightsFolder }),
    ...(alone && { disable_cpu_ep_fallback: "1" }),
  };
  const options: ort.InferenceSession.SessionOptions = {
    ...sessionOn(device),
    enableCpuMemArena: false,
    logSeverityLevel: 3,
    extra: { session: settings },
  };
  return typeof model === "string"
    ? ort.InferenceSession.create(model, options)
    : ort.InferenceSession.create(model, options);
}
