import { UnsupportedModelError } from "../errors.ts";

/** Bytes of one element of each safetensors data type (https://huggingface.co/docs/safetensors). */
export const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
} as const;

export type Dtype = keyof typeof DTYPE_BYTES;

export const isDtype = (name: string): name is Dtype => Object.hasOwn(DTYPE_BYTES, name);

/** Whether values of this type can become float32 weights. */
export const isFloat = (dtype: Dtype): boolean =>
  dtype === "F32" || dtype === "F16" || dtype === "BF16" || dtype === "F64";

/**
 * Converts little-endian weights to float32 values.
 * @param bytes whole elements; may start at any offset of its buffer
 * @param into takes the values where there are others than `bytes` has; default: memory of their own
 * @throws UnsupportedModelError for types that are not plain floats (quantised weights)
 */
export function toFloat32(dtype: Dtype, bytes: Uint8Array, into?: ArrayBuffer): Float32Array {
  const count = bytes.byteLength / DTYPE_BYTES[dtype];
  const { buffer, byteOffset } = aligned(bytes, DTYPE_BYTES[dtype]);
  switch (dtype) {
    case "F32":
      return new Float32Array(buffer, byteOffset, count);
    case "F64": {
      const values = new Float32Array(into ?? new ArrayBuffer(4 * count), 0, count);
      values.set(new Float64Array(buffer, byteOffset, count));
      return values;
    }
    case "BF16": {
      const halves = new Int16Array(buffer, byteOffset, count);
      const words = new Int32Array(into ?? new ArrayBuffer(4 * count), 0, count);
      for (let i = 0; i < count; i++) words[i] = (halves[i] ?? 0) << 16;
      return new Float32Array(words.buffer, 0, count);
    }
    case "F16": {
      const halves = new Int16Array(buffer, byteOffset, count);
      const words = new Int32Array(into ?? new ArrayBuffer(4 * count), 0, count);
      widenHalves(halves, words);
      return new Float32Array(words.buffer, 0, count);
    }
    default:
      throw new UnsupportedModelError(`quantised weights (${dtype.toLowerCase()})`);
  }
}

/** The bytes where a typed array may lie over them: as they are, or a copy. */
const aligned = (bytes: Uint8Array, alignment: number): Uint8Array =>
  bytes.byteOffset % alignment === 0 ? bytes : new Uint8Array(bytes);

/** From the exponent's bias of binary16 to that of binary32, in place. */
const REBIAS = (127 - 15) << 23;

/**
 * IEEE 754 binary16 to the bits of the same values in binary32, both as signed integers: those fit V8's registers, and a
 * few operations on them are faster than a table of all values, which fills a processor's cache.
 */
function widenHalves(halves: Int16Array, words: Int32Array): void {
  for (let i = 0; i < words.length; i++) {
    const half = halves[i] ?? 0;
    const isNormal = ((half + 0x400) & 0x7c00) > 0x400; // its exponent is neither the least nor the largest
    words[i] = isNormal ? (((half << 13) & 0x8fffe000) + REBIAS) | 0 : widenOddHalf(half);
  }
}

/** The same of a zero, a subnormal, an infinity or what is no number. */
function widenOddHalf(half: number): number {
  const sign = (half & 0x8000) << 16;
  let mantissa = half & 0x3ff;
  if ((half & 0x7c00) !== 0) return sign | 0x7f800000 | (mantissa << 13);
  if (mantissa === 0) return sign;
  let shift = 113;
  while ((mantissa & 0x400) === 0) {
    mantissa <<= 1;
    shift--;
  }
  return sign | (shift << 23) | ((mantissa & 0x3ff) << 13);
}
