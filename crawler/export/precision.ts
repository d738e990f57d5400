/** What graphs compute in: IEEE 754's binary32, or binary16 where that is safe. */
export const PRECISIONS = ["fp32", "fp16"] as const;
export type Precision = (typeof PRECISIONS)[number];
