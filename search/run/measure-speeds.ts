import ort from "onnxruntime-node";
import { keepsResults, type Device } from "../device/device.ts";
import { BufferPool } from "./buffer-pool.ts";
import { DeviceCopies } from "./device-copies.ts";
import { writeToDisk, type Batch } from "./result.ts";

/** Of a result that is made up: enough to be no matter of single calls, little enough to take some hundredths of a second. */
const BATCHES = 8;
const BATCH_BYTES = 4 * 2 ** 20;

/** Bytes a second at which results go to disk and come back, as results do that memory has no room for. */
export async function measureDisk(folder: string): Promise<number> {
  const batches = Array.from({ length: BATCHES }, (_, index): Batch => ({ items: [index], rows: 1, length: null }));
  const writer = writeToDisk(new BufferPool(0), BATCH_BYTES, batches, folder);
  const start = performance.now();
  for (const _ of batches) {
    const value = writer.next([1, BATCH_BYTES / 4]);
    if (value) await writer.commit(value);
  }
  const result = writer.finish();
  try {
    for (const index of batches.keys()) result.value(index);
    return bytesASecond(start);
  } finally {
    result.release();
  }
}

/** Bytes a second between the machine's memory and the device's; null where results don't stay on the device. */
export async function measureLink(device: Device): Promise<number | null> {
  if (!keepsResults(device)) return null;
  const copies = new DeviceCopies(device);
  const value = new ort.Tensor("float32", new Float32Array(BATCH_BYTES / 4), [1, BATCH_BYTES / 4]);
  const there = async (): Promise<void> => {
    const copy = await copies.onDevice(value);
    await copies.toHost(copy);
    copy.dispose();
  };
  try {
    await there(); // it warms up
    const start = performance.now();
    for (let batch = 0; batch < BATCHES; batch++) await there();
    return bytesASecond(start);
  } finally {
    await copies.close();
  }
}

/** All batches, there and back. */
const bytesASecond = (start: number): number => (2 * BATCHES * BATCH_BYTES * 1000) / (performance.now() - start);
