/** Lengths of the four groups: byte 0 of every word, byte 1, …; the first groups take what is left over. */
const groupLengths = (length: number): number[] => [0, 1, 2, 3].map((group) => Math.ceil((length - group) / 4));

/** Puts the bytes of 4-byte words into groups by their place in the word: exponents of float32 beside exponents. */
export function groupBytes(bytes: Uint8Array): Uint8Array {
  const grouped = new Uint8Array(bytes.byteLength);
  let to = 0;
  groupLengths(bytes.byteLength).forEach((count, group) => {
    for (let i = 0; i < count; i++) grouped[to++] = bytes[4 * i + group] ?? 0;
  });
  return grouped;
}

/** The inverse of `groupBytes`. */
export function ungroupBytes(grouped: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(grouped.byteLength);
  let from = 0;
  groupLengths(grouped.byteLength).forEach((count, group) => {
    for (let i = 0; i < count; i++) bytes[4 * i + group] = grouped[from++] ?? 0;
  });
  return bytes;
}
