import type { Dtype } from "../dtype.ts";

/** Classes of typed storages (torch/storage.py) with the type of their elements. */
export const STORAGE_TYPES: ReadonlyMap<string, Dtype> = new Map([
  ["DoubleStorage", "F64"],
  ["FloatStorage", "F32"],
  ["HalfStorage", "F16"],
  ["BFloat16Storage", "BF16"],
  ["LongStorage", "I64"],
  ["IntStorage", "I32"],
  ["ShortStorage", "I16"],
  ["CharStorage", "I8"],
  ["ByteStorage", "U8"],
  ["BoolStorage", "BOOL"],
]);

/** Types that have no typed storage; tensors name them beside an untyped one. */
export const TORCH_DTYPES: ReadonlyMap<string, Dtype> = new Map([
  ["float64", "F64"],
  ["float32", "F32"],
  ["float16", "F16"],
  ["bfloat16", "BF16"],
  ["int64", "I64"],
  ["int32", "I32"],
  ["int16", "I16"],
  ["int8", "I8"],
  ["uint64", "U64"],
  ["uint32", "U32"],
  ["uint16", "U16"],
  ["uint8", "U8"],
  ["bool", "BOOL"],
  ["float8_e4m3fn", "F8_E4M3"],
  ["float8_e5m2", "F8_E5M2"],
]);

/** Storages of quantised integers. */
const QUANTISED = /^Q(U?Int(8|32|4x2|2x4))Storage$/;

/** Why a name of torch's that says how values are stored is not read; null for names of another kind. */
export function whyUnread(module: string, name: string): string | null {
  if (module === "torch" && QUANTISED.test(name)) return `quantised weights (${name})`;
  if (module === "torch" && /^Complex\w+Storage$/.test(name)) return `complex weights (${name})`;
  if (module !== "torch._utils") return null;
  if (name === "_rebuild_qtensor") return "quantised weights (a quantised tensor)";
  if (name.startsWith("_rebuild_sparse")) return "sparse weights";
  return null;
}
