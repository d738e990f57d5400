import { offlineEnvironment } from "../../crawler/offline-environment.ts";
import type { Device } from "./device.ts";

/**
 * What a process has to be started with to compute in float32 on a device.
 *
 * CUDA: onnxruntime lets NVIDIA's libraries round the factors of products to 10 bits (TF32), and its binding for Node passes
 * no option that says otherwise. Features would differ from the CPU's by a thousandth and more, and scores with them.
 * - NVIDIA_TF32_OVERRIDE=0 keeps cuBLAS and cuDNN from it (CUDA C++ Programming Guide, environment variables). Who sets it,
 *   decides.
 * - With it alone, one session in a hundred still multiplies in TF32 (CUDA 13.0, seen on an H200), or two in a row that are
 *   given the same memory; none does where glibc's malloc clears what it gives and overwrites what it takes back (mallopt(3),
 *   M_PERTURB): something is read there that was never written.
 */
const SETTINGS: Partial<Record<Device, Readonly<Record<string, string>>>> = {
  cuda: { NVIDIA_TF32_OVERRIDE: "0", MALLOC_PERTURB_: "255" },
};

/** The environment of a process that computes on a device, and opens no connection. */
export const inferenceEnvironment = (device: Device): NodeJS.ProcessEnv => ({
  ...SETTINGS[device],
  ...offlineEnvironment(),
});

/** Whether a process that was started for one device can compute on another. */
export const haveSameEnvironment = (a: Device, b: Device): boolean => SETTINGS[a] === SETTINGS[b];
