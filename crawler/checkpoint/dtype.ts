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
 * @throws UnsupportedModelError for types that are not plain floats (quantised weights)
 */
export function toFloat32(dtype: Dtype, bytes: Uint8Array): Float32Array {
  const count = bytes.byteLength / DTYPE_BYTES[dtype];
  switch (dtype) {
    case "F32":
      return new Float32Array(aligned(bytes, 4), 0, count);
    case "F64":
      return Float32Array.from(new Float64Array(aligned(bytes, 8), 0, count));
    case "BF16": {
      const halves = new Uint16Array(aligned(bytes, 2), 0, count);
      const words = new Uint32Array(count);
      for (let i = 0; i < count; i++) words[i] = (halves[i] ?? 0) << 16;
      return new Float32Array(words.buffer);
    }
    case "F16": {
      const halves = new Uint16Array(aligned(bytes, 2), 0, count);
      const words = new Uint32Array(count);
      floatBitsOfHalves ??= Uint32Array.from({ length: 1 << 16 }, (_, half) => halfToFloatBits(half));
      for (let i = 0; i < count; i++) words[i] = floatBitsOfHalves[halves[i] ?? 0] ?? 0;
      return new Float32Array(words.buffer);
    }
    default:
      throw new UnsupportedModelError(`quantised weights (${dtype.toLowerCase()})`);
  }
}

/** Every binary16 in binary32, made when first needed: looking them up is several times as fast as working them out. */
let floatBitsOfHalves: Uint32Array | undefined;

/**
 * The bytes of the float32 values of little-endian weights; float32 weights are passed on as they are.
 * @throws UnsupportedModelError for types that are not plain floats (quantised weights)
 */
export function float32Bytes(dtype: Dtype, bytes: Uint8Array): Uint8Array {
  if (dtype === "F32") return bytes;
  const values = toFloat32(dtype, bytes);
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** The bytes in a buffer of their own, so that a typed array may lie over them. */
function aligned(bytes: Uint8Array, alignment: number): ArrayBuffer {
  const own = bytes.buffer instanceof ArrayBuffer && bytes.byteOffset === 0;
  if (own && bytes.byteLength % alignment === 0) return bytes.buffer as ArrayBuffer;
  return Uint8Array.prototype.slice.call(bytes).buffer as ArrayBuffer; // a Buffer's own slice would not copy
}

/** IEEE 754 binary16 to the bits of the same value in binary32. */
function halfToFloatBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  let mantissa = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (mantissa << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
  if (mantissa === 0) return sign;
  let shift = 113;
  while ((mantissa & 0x400) === 0) {
    mantissa <<= 1;
    shift--;
  }
  return sign | (shift << 23) | ((mantissa & 0x3ff) << 13);
}
