import type ort from "onnxruntime-node";
import type { DeviceCopies } from "./device-copies.ts";
import { get, type Batch } from "./batch.ts";
import type { ResultWriter } from "./result.ts";

/**
 * A result that stays on the device. Its tensors are freed by `release`, never by the garbage collector, which does not
 * see how large they are.
 */
export function leaveOnDevice(batches: readonly Batch[], copies: DeviceCopies): ResultWriter {
  const values: ort.Tensor[] = [];
  const release = (): void => {
    for (const value of values.splice(0)) value.dispose();
  };
  return {
    next: () => null,
    async commit(value) {
      try {
        values.push(await copies.onDevice(value));
      } finally {
        value.dispose();
      }
    },
    finish: () => ({
      batches,
      bytes: values.reduce((sum, { size }) => sum + 4 * size, 0),
      value: (batch) => get(values, batch),
      download: (batch) => copies.toHost(get(values, batch)),
      further: () => undefined,
      release,
    }),
    abandon: release,
  };
}
