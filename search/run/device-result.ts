import type ort from "onnxruntime-node";
import { get, type Batch, type ResultWriter } from "./result.ts";

/**
 * A result that stays on the device, where graphs wrote it. The tensors are freed by `release`, never by the garbage
 * collector, which does not see how large they are.
 * @param download brings a tensor into the machine's memory
 */
export function leaveOnDevice(
  batches: readonly Batch[],
  download: (tensor: ort.Tensor) => Promise<ort.Tensor>,
): ResultWriter {
  const values: ort.Tensor[] = [];
  const release = (): void => {
    for (const value of values.splice(0)) value.dispose();
  };
  return {
    next: () => null,
    commit: (value) => void values.push(value),
    finish: () => ({
      batches,
      bytes: values.reduce((sum, { size }) => sum + 4 * size, 0),
      value: (batch) => get(values, batch),
      download: (batch) => download(get(values, batch)),
      further: () => undefined,
      release,
    }),
    abandon: release,
  };
}
