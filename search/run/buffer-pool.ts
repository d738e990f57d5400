/** Sizes of one power of two: buffers are rounded up by an eighth at most, so that another result can use them again. */
const STEPS = 8;
const SMALLEST = 4096;

/**
 * Buffers of results and weights, used again and again: fresh memory costs more to touch than many a result to compute.
 * What is in use and what waits to be used again stay within the limit together, unless what is in use alone is above.
 */
export class BufferPool<Buffer extends ArrayBufferLike = ArrayBuffer> {
  readonly #limit: number;
  /** By size, the ones given back last at the end. */
  readonly #free = new Map<number, Buffer[]>();
  readonly #make: (bytes: number) => Buffer;
  #freeBytes = 0;
  #usedBytes = 0;

  constructor(limitBytes: number, make: (bytes: number) => Buffer) {
    this.#limit = limitBytes;
    this.#make = make;
  }

  /** Bytes of all buffers, in use or not. */
  get bytes(): number {
    return this.#freeBytes + this.#usedBytes;
  }

  /** @returns a buffer of at least so many bytes, with any content */
  take(bytes: number): Buffer {
    const size = roundUp(bytes);
    const found = this.#free.get(size)?.pop();
    this.#usedBytes += size;
    if (found) {
      this.#freeBytes -= size;
      return found;
    }
    this.#drop(this.#limit - this.#usedBytes);
    return this.#make(size);
  }

  give(buffer: Buffer): void {
    const size = buffer.byteLength;
    this.#usedBytes -= size;
    this.#freeBytes += size;
    const same = this.#free.get(size);
    if (same) same.push(buffer);
    else this.#free.set(size, [buffer]);
    this.#drop(this.#limit - this.#usedBytes);
  }

  /** Lets go of free buffers, the largest first, until so many bytes are left. */
  #drop(most: number): void {
    while (this.#freeBytes > Math.max(0, most)) {
      const size = Math.max(...[...this.#free].flatMap(([bytes, buffers]) => (buffers.length > 0 ? bytes : [])));
      this.#free.get(size)?.pop();
      this.#freeBytes -= size;
    }
  }
}

/** Memory that one thread has at a time, and memory that all threads have. */
export const movingBuffer = (bytes: number): ArrayBuffer => new ArrayBuffer(bytes);
export const sharedBuffer = (bytes: number): SharedArrayBuffer => new SharedArrayBuffer(bytes);

function roundUp(bytes: number): number {
  const step = Math.max(SMALLEST, 2 ** Math.floor(Math.log2(Math.max(1, bytes))) / STEPS);
  return Math.max(SMALLEST, Math.ceil(bytes / step) * step);
}
