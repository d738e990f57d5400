import ort from "onnxruntime-node";
import { elementCount } from "../../crawler/export/graph.ts";
import { get, type Batch } from "./batch.ts";
import type { BufferPool } from "./buffer-pool.ts";
import { SpillFile } from "./spill-file.ts";

/** A result for some items, batch by batch. */
export interface Result {
  readonly batches: readonly Batch[];
  /** Memory that it takes. */
  readonly bytes: number;
  /** The value of a batch, on the device if the result is there. From disk it is good until the next one is asked for. */
  value(batch: number): ort.Tensor;
  /** The value of a batch in the machine's memory. */
  download(batch: number): Promise<ort.Tensor>;
  /** Another value of the batch's items, by the name of the graph's input. */
  further(batch: number, name: string): ort.Tensor | undefined;
  release(): void;
}

/** A result that is being computed: a float32 value for each batch, in their order. */
export interface ResultWriter {
  /** Where a graph shall write the next value; null: where it likes. @param dims of the value, batch first */
  next(dims: readonly number[]): ort.Tensor | null;
  /** The value is there. */
  commit(value: ort.Tensor): Promise<void> | void;
  /** All values are there. */
  finish(): Result;
  /** Gives back what was taken; instead of `finish`. */
  abandon(): void;
}

/** @param bytes of the whole result */
export function writeToMemory(pool: BufferPool, bytes: number, batches: readonly Batch[]): ResultWriter {
  const buffer = pool.take(bytes);
  const values: ort.Tensor[] = [];
  let offset = 0;
  return {
    next(dims) {
      const value = new ort.Tensor("float32", new Float32Array(buffer, offset, elementCount(dims)), dims);
      offset += 4 * elementCount(dims);
      values.push(value);
      return value;
    },
    commit: () => undefined,
    finish: () => ({
      batches,
      bytes: offset,
      value: (batch) => get(values, batch),
      download: (batch) => Promise.resolve(get(values, batch)),
      further: () => undefined,
      release: () => pool.give(buffer),
    }),
    abandon: () => pool.give(buffer),
  };
}

/** @param bytes of the largest batch @param folder where files that only this result needs may lie */
export function writeToDisk(pool: BufferPool, bytes: number, batches: readonly Batch[], folder: string): ResultWriter {
  const file = new SpillFile(folder);
  const buffer = pool.take(bytes);
  const places: { readonly begin: number; readonly dims: readonly number[] }[] = [];
  let end = 0;
  const valueOf = (dims: readonly number[]): ort.Tensor =>
    new ort.Tensor("float32", new Float32Array(buffer, 0, elementCount(dims)), dims);
  const read = (batch: number): ort.Tensor => {
    const { begin, dims } = get(places, batch);
    file.read(new Uint8Array(buffer, 0, 4 * elementCount(dims)), begin);
    return valueOf(dims);
  };
  const release = (): void => {
    pool.give(buffer);
    file.remove();
  };
  return {
    next(dims) {
      places.push({ begin: end, dims });
      end += 4 * elementCount(dims);
      return valueOf(dims);
    },
    commit() {
      const { begin } = get(places, places.length - 1);
      file.write(new Uint8Array(buffer, 0, end - begin), begin);
    },
    finish: () => ({
      batches,
      bytes,
      value: read,
      download: (batch) => Promise.resolve(read(batch)),
      further: () => undefined,
      release,
    }),
    abandon: release,
  };
}
