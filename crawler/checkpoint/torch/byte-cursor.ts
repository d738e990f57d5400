import { CheckpointError } from "../../errors.ts";

/** The bytes at hand end inside something. Where a file was read in part, more of it may help. */
export class TruncatedError extends CheckpointError {
  override name = "TruncatedError";
}

/** Reads little-endian numbers from bytes, one after the other. */
export class ByteCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = at;
  }

  /** Offset of the byte that comes next. */
  get at(): number {
    return this.#at;
  }

  uint8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  /** @throws CheckpointError when it is too large to count anything in a file */
  uint64(): number {
    const value = this.#view.getBigUint64(this.#take(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw new CheckpointError(`byte ${this.#at - 8}: ${value} is too large`);
    return Number(value);
  }

  /** Big endian, as pickles have them. */
  float64(): number {
    return this.#view.getFloat64(this.#take(8), false);
  }

  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Bytes up to a newline, which is passed over. */
  line(maxBytes: number): Uint8Array {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    const length = (end < 0 ? this.#bytes.byteLength : end) - this.#at;
    if (length > maxBytes) throw new CheckpointError(`byte ${this.#at}: a line of more than ${maxBytes} bytes`);
    if (end < 0) throw new TruncatedError(`byte ${this.#at}: a line without end`);
    const line = this.bytes(length);
    this.#take(1);
    return line;
  }

  #take(length: number): number {
    const start = this.#at;
    if (length > this.#bytes.byteLength - start) {
      throw new TruncatedError(
        `${length} bytes are needed at byte ${start}, the data ends at ${this.#bytes.byteLength}`,
      );
    }
    this.#at += length;
    return start;
  }
}
