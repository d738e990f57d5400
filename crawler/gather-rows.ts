/**
 * Elements of a tensor row by row, from a view that has them in another order (a transposed matrix, channels last) or
 * several times (stride 0).
 * @param bytes starts at the tensor's first element
 * @param strides steps along each axis, counted in elements
 */
export function gatherRows(
  bytes: Uint8Array,
  shape: readonly number[],
  strides: readonly number[],
  elementBytes: number,
): Uint8Array<ArrayBuffer> {
  const count = shape.reduce((product, length) => product * length, 1);
  const rows = new Uint8Array(count * elementBytes);
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < rows.byteLength; to += elementBytes) {
    for (let i = 0; i < elementBytes; i++) rows[to + i] = bytes[from * elementBytes + i] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      const stride = strides[axis] ?? 0;
      if (next < (shape[axis] ?? 0)) {
        index[axis] = next;
        from += stride;
        break;
      }
      index[axis] = 0;
      from -= (next - 1) * stride;
    }
  }
  return rows;
}
