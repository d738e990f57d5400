import { LaneRunner, type LaneRunnerOptions } from "./lane-runner.ts";
import type { OrtRunnerOptions } from "./ort-runner.ts";
import type { Runner } from "./runner.ts";

/**
 * The runner for a device: the CPU's cores each run batches of their own, a device is given one at a time. Only the latter
 * needs onnxruntime in this thread.
 */
export async function openRunner(options: LaneRunnerOptions & OrtRunnerOptions): Promise<Runner> {
  if (options.device === "cpu") return new LaneRunner(options);
  const { OrtRunner } = await import("./ort-runner.ts");
  return new OrtRunner(options);
}
