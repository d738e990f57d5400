import { execFile } from "node:child_process";
import { NVIDIA_SMI_ARGUMENTS, parseNvidiaSmi, type NvidiaGpu } from "./parse-nvidia-smi.ts";

/** A driver in trouble lets `nvidia-smi` wait for a minute and more. */
const TIMEOUT_MS = 5000;
const MOST_OUTPUT_BYTES = 100_000;

export interface NvidiaSmiOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default: `nvidia-smi`, wherever PATH has it. */
  readonly command?: string;
}

/**
 * The cards that NVIDIA's driver shows.
 * @returns none where there is no `nvidia-smi`, or it fails or hangs
 * @throws the signal's reason when it is aborted
 */
export async function listNvidiaGpus({ signal, command = "nvidia-smi" }: NvidiaSmiOptions = {}): Promise<NvidiaGpu[]> {
  signal?.throwIfAborted();
  const options = {
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
    maxBuffer: MOST_OUTPUT_BYTES,
    windowsHide: true,
    ...(signal && { signal }),
  } as const;
  const text = await new Promise<string>((resolve) =>
    execFile(command, NVIDIA_SMI_ARGUMENTS, options, (error, stdout) => resolve(error ? "" : stdout)),
  );
  signal?.throwIfAborted();
  return parseNvidiaSmi(text);
}
