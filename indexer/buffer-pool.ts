/** Chunks of a stream are below this when they are widened. */
const POOLED_BYTES = 1 << 20;

/** Memory for widened weights, used again and again: fresh memory costs the kernel more than the widening. */
export class BufferPool {
  readonly #free: ArrayBuffer[] = [];

  /** A buffer of at least so many bytes. */
  take(bytes: number): ArrayBuffer {
    return bytes > POOLED_BYTES ? new ArrayBuffer(bytes) : (this.#free.pop() ?? new ArrayBuffer(POOLED_BYTES));
  }

  /** Takes a buffer back that nobody reads any more. */
  give(buffer: ArrayBuffer | null): void {
    if (buffer?.byteLength === POOLED_BYTES) this.#free.push(buffer);
  }
}
