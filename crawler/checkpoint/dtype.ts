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
      const halves = new Uint16Array(buffer, byteOffset, count);
      const words = new Uint32Array(into ?? new ArrayBuffer(4 * count), 0, count);
      for (let i = 0; i < count; i++) words[i] = (halves[i] ?? 0) << 16;
      return new Float32Array(words.buffer, 0, count);
    }
    case "F16": {
      const halves = new Uint16Array(buffer, byteOffset, count);
      const words = new Uint32Array(into ?? new ArrayBuffer(4 * count), 0, count);
      floatBitsOfHalves ??= Uint32Array.from({ length: 1 << 16 }, (_, half) => halfToFloatBits(half));
      for (let i = 0; i < count; i++) words[i] = floatBitsOfHalves[halves[i] ?? 0] ?? 0;
      return new Float32Array(words.buffer, 0, count);
    }
    default:
      throw new UnsupportedModelError(`quantised weights (${dtype.toLowerCase()})`);
  }
}

/** Every binary16 in binary32, made when first needed: looking them up is several times as fast as working them out. */
let floatBitsOfHalves: Uint32Array | undefined;

/** The bytes where a typed array may lie over them: as they are, or a copy. */
const aligned = (bytes: Uint8Array, alignment: number): Uint8Array =>
  bytes.byteOffset % alignment === 0 ? bytes : new Uint8Array(bytes);

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
