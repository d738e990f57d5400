import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { explainFailure } from "../../search/device/explain-failure.ts";
import type { Device } from "../../search/device/device.ts";
import { inferenceEnvironment } from "../../search/device/inference-environment.ts";
import type { DeviceComparison } from "./compare-entry.ts";
import type { FromCompare } from "./compare-process.ts";

/** What the process is told. */
export interface CompareRequest {
  readonly device: Device;
  /** References; none to see whether the device works. */
  readonly ids: readonly string[];
}

/** Of a process's stderr, so that a driver's chatter cannot grow without bound. */
const MOST_STDERR = 4000;

/**
 * Compares references on a device in a process of its own: drivers abort, and end after correct work as if it had failed,
 * so what counts is what it sent.
 * @param onResult told of each reference as soon as it is known
 * @param timeoutMs after which the process is killed
 * @returns null when the device works, else why not, in words
 */
export async function compareOn(
  request: CompareRequest,
  onResult: (id: string, result: DeviceComparison | Error) => void,
  timeoutMs: number,
): Promise<string | null> {
  const child = fork(fileURLToPath(new URL("./compare-process.js", import.meta.url)), {
    execArgv: [],
    env: inferenceEnvironment(request.device),
    serialization: "advanced", // errors may be infinite, which JSON lacks
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  const left = new Set(request.ids);
  let isReady = false;
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-MOST_STDERR);
  });
  child.on("message", (message: FromCompare) => {
    if (message.kind === "ready") isReady = true;
    else if (left.delete(message.id)) {
      onResult(message.id, message.kind === "compared" ? message.comparison : new Error(message.reason));
    }
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  try {
    const ended = new Promise<string>((resolve) => {
      child.once("error", (cause) => resolve(cause.message));
      child.once("close", (code, signal) => resolve(signal ? `ended by ${signal}` : `ended with code ${code}`));
    });
    child.send(request);
    const end = await ended;
    for (const id of left) onResult(id, new Error(`the process ${end} before it came to ${id}: ${stderr}`));
    return isReady ? null : explainFailure(stderr.trim() || end).reason;
  } finally {
    clearTimeout(timer);
  }
}
