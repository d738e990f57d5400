import { elementCount } from "../../crawler/export/graph.ts";
import { isMoving, tensorsOf, type LaneBatch, type TensorData } from "./lane-job.ts";

const BYTES = { float32: 4, uint8: 1, int64: 8 } as const;

/**
 * Puts batches together that go through a graph at a time, in memory that it keeps for the next ones. onnxruntime's binding
 * takes no memory that threads share, so values that lie there come here too.
 */
export class BatchStack {
  readonly #buffers = new Map<string, ArrayBuffer>();

  /** One batch that is not shared is taken as it is. @returns the values of all, and where their results go */
  stack(batches: readonly LaneBatch[]): LaneBatch<ArrayBuffer> {
    const [first] = batches;
    if (!first) throw new RangeError("no batches to run");
    if (isAlone(batches)) return first as LaneBatch<ArrayBuffer>;
    const feeds: Record<string, TensorData<ArrayBuffer>> = {};
    for (const name of Object.keys(first.feeds)) {
      const parts = batches.map((batch) => partOf(batch, name));
      const whole = this.#whole(name, parts);
      const bytes = bytesOf(whole);
      parts.reduce((at, part) => (bytes.set(bytesOf(part), at), at + sizeOf(part)), 0);
      feeds[name] = whole;
    }
    const results = batches.map(({ into }) => into);
    return { feeds, into: this.#whole(RESULT, results) };
  }

  /** Gives each batch its rows of the result. */
  unstack({ into }: LaneBatch, batches: readonly LaneBatch[]): void {
    if (isAlone(batches)) return;
    const bytes = bytesOf(into);
    let at = 0;
    for (const { into: part } of batches) {
      bytesOf(part).set(bytes.subarray(at, at + sizeOf(part)));
      at += sizeOf(part);
    }
  }

  /** Memory for all parts, one behind the other. */
  #whole(name: string, parts: readonly TensorData[]): TensorData<ArrayBuffer> {
    const [{ type, dims } = { type: "float32" as const, dims: [] }] = parts;
    const size = parts.reduce((sum, part) => sum + sizeOf(part), 0);
    const known = this.#buffers.get(name);
    const buffer = known && known.byteLength >= size ? known : new ArrayBuffer(size);
    this.#buffers.set(name, buffer);
    const rows = parts.reduce((sum, part) => sum + (part.dims[0] ?? 0), 0);
    return { type, dims: [rows, ...dims.slice(1)], buffer };
  }
}

/** Whether there is nothing to be put together, in memory that moves. */
const isAlone = (batches: readonly LaneBatch[]): boolean => batches.length === 1 && tensorsOf(batches).every(isMoving);

/** No input of a graph has this name. */
const RESULT = "";

const sizeOf = ({ type, dims }: TensorData): number => BYTES[type] * elementCount(dims);
const bytesOf = (tensor: TensorData): Uint8Array => new Uint8Array(tensor.buffer, 0, sizeOf(tensor));

function partOf({ feeds }: LaneBatch, name: string): TensorData {
  const part = feeds[name];
  if (!part) throw new Error(`a batch lacks ${name}`);
  return part;
}
