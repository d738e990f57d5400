/** A tiny safetensors file: one float32 tensor a name, with values that follow from `seed`. */
export function safetensorsBytes(tensors: Readonly<Record<string, readonly number[]>>, seed = 1): Uint8Array {
  let end = 0;
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  for (const [name, shape] of Object.entries(tensors)) {
    const begin = end;
    end += 4 * shape.reduce((a, b) => a * b, 1);
    header[name] = { dtype: "F32", shape, data_offsets: [begin, end] };
  }
  const text = JSON.stringify(header);
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const values = Float32Array.from({ length: end / 4 }, (_, i) => Math.fround(Math.sin(seed * 7919 + i)));
  return Buffer.concat([length, json, Buffer.from(values.buffer)]);
}
