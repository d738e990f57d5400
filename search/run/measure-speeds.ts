import ort from "onnxruntime-node";
import { keepsResults, type Device } from "../device/device.ts";
import { BufferPool, movingBuffer } from "./buffer-pool.ts";
import { DeviceCopies } from "./device-copies.ts";
import { secondsOf } from "./in-turns.ts";
import type { Batch } from "./batch.ts";
import { writeToDisk } from "./result.ts";

/** Of a result that is made up; the fastest batch counts, as others only ever make one slower. */
const BATCHES = 8;
const BATCH_BYTES = 4 * 2 ** 20;
/** No further batch is written then: a disk may be busy with what others have written. */
const MOST_MS = 500;

/** Bytes a second at which results go to disk and come back, as results do that memory has no room for. */
export async function measureDisk(folder: string): Promise<number> {
  const batches = Array.from({ length: BATCHES }, (_, index): Batch => ({ items: [index], rows: 1, length: null }));
  const writer = writeToDisk(new BufferPool(0, movingBuffer), BATCH_BYTES, batches, folder);
  const start = performance.now();
  const written: number[] = [];
  while (written.length < BATCHES && performance.now() - start < MOST_MS) {
    const value = writer.next([1, BATCH_BYTES / 4]);
    if (value) written.push(await secondsOf(async () => writer.commit(value)));
  }
  const result = writer.finish();
  try {
    const read: number[] = [];
    for (const index of written.keys()) read.push(await secondsOf(() => Promise.resolve(result.value(index))));
    return (2 * BATCH_BYTES) / (Math.min(...written) + Math.min(...read));
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
    const seconds: number[] = [];
    for (let batch = 0; batch < BATCHES; batch++) seconds.push(await secondsOf(there));
    return (2 * BATCH_BYTES) / Math.min(...seconds);
  } finally {
    await copies.close();
  }
}
